import { setTimeout as delay } from "node:timers/promises";
import type { RawClient } from "../../../packages/server/test/raw-client.ts";
import { Violation } from "../violation.ts";
import { HttpSocket } from "./answers.ts";
import { compare, complete, type File, isGone, newFile, newUploader, remove, sizeOf } from "./file.ts";
import { judge } from "./judge.ts";
import { type Delivery, type HttpPlan, httpPlansOf, type RequestPlan } from "./plans.ts";
import { type Written, write } from "./write.ts";

export interface HttpCounts {
  /** Requests that plans have sent, and files of which all was compared. */
  requests: number;
  compared: number;
  statuses: Record<string, number>;
}

export interface HttpSlotOptions {
  port: number;
  seed: number;
  slot: number;
  /** How many it sends. */
  requests: number;
  counts: HttpCounts;
  fail: (violation: Violation) => void;
  signal: AbortSignal;
}

/** How long an answer that is owed may take, and one that is not is waited for. Milliseconds. */
const PATIENCE_MS = 20_000;
const MOMENT_MS = 60;
const FILES = 4;

/** Sends the requests of one slot, for files of its own, and looks whether those are what they should be. */
export async function runHttpSlot(options: HttpSlotOptions): Promise<void> {
  const { port, slot, seed, requests, counts, signal } = options;
  const url = `ws://127.0.0.1:${port}/ws`;
  let last = "nothing";
  try {
    using client = await newUploader(url, `files-${slot}`);
    const world: World = { port, url, client, files: [], counts, kept: undefined, sent: 0 };
    for (const plans of httpPlansOf(seed, slot)) {
      if (world.sent >= requests || signal.aborted) break;
      await renew(world, slot);
      for (const plan of plans) {
        if (world.sent >= requests || signal.aborted) break;
        last = JSON.stringify(plan).slice(0, 2000);
        await carryOut(plan, world);
      }
      await settle(world);
    }
    world.kept?.destroy();
    for (const file of world.files) if (!(await isGone(url, file))) await remove(url, file);
  } catch (error) {
    options.fail(new Violation(`${(error as Error).message}\n  files-${slot}, behind ${last}`, { cause: error }));
  }
}

interface World {
  port: number;
  url: string;
  client: RawClient;
  files: File[];
  counts: HttpCounts;
  /** A connection on which another request may be asked. */
  kept: HttpSocket | undefined;
  sent: number;
}

async function renew(world: World, slot: number): Promise<void> {
  world.files = world.files.filter(({ removed }) => !removed);
  while (world.files.length < FILES)
    world.files.push(await newFile(world.client, sizeOf(world.sent + slot + world.files.length)));
}

/** Whatever was sent: files that are not removed can be finished and fetched, and one makes room. */
async function settle(world: World): Promise<void> {
  const left: File[] = [];
  for (const file of world.files) if (!(await isGone(world.url, file))) left.push(file);
  for (const file of left) {
    await complete(world.url, file);
    await compare(world.url, file);
    world.counts.compared += 1;
  }
  for (const file of left.slice(0, FILES / 2)) await remove(world.url, file);
}

async function carryOut(plan: HttpPlan, world: World): Promise<void> {
  const { port, files } = world;
  const written = (request: RequestPlan): Written => {
    const at = request.file % files.length;
    const file = files[at] as File;
    if (request.method === "DELETE") file.mayBeRemoved = true;
    return write(request, file, files[(at + 1) % files.length] as File);
  };
  const count = (requests: number): void => {
    world.sent += requests;
    world.counts.requests += requests;
  };
  if (plan.do === "bytes") {
    count(1);
    const socket = await HttpSocket.open(port);
    socket.write(Buffer.from(plan.text, "latin1"));
    await socket.next("GET", MOMENT_MS);
    return socket.destroy();
  }
  if (plan.do === "ask") {
    count(1);
    return ask(written(plan.request), plan.delivery, world);
  }
  const requests = plan.requests.map(written);
  if (plan.do === "pipeline") {
    // What comes behind this one is a part of it.
    const last = plan.requests.findIndex(({ length }) => length === "beyond");
    if (last >= 0) requests.length = last + 1;
    count(requests.length);
    return pipeline(requests, world);
  }
  count(plan.times);
  return crowd(requests, plan, port);
}

async function ask(written: Written, delivery: Delivery, world: World): Promise<void> {
  const kept = delivery.how === "again" && world.kept?.isOpen === true ? world.kept : undefined;
  if (kept === undefined) world.kept?.destroy();
  world.kept = undefined;
  const socket = kept ?? (await HttpSocket.open(world.port));
  const isWhole = await deliver(socket, written.bytes, delivery);
  const isOwed = isWhole && written.clean && kept === undefined;
  const answer = await socket.next(written.plan.method, isOwed ? PATIENCE_MS : isWhole ? 500 : MOMENT_MS);
  if (isOwed && (answer === undefined || answer === "late"))
    throw new Violation(`a request has no answer: ${answer ?? "the connection has ended"}`);
  if (answer === undefined || answer === "late") return socket.destroy();
  world.counts.statuses[answer.status] = (world.counts.statuses[answer.status] ?? 0) + 1;
  judge(written, answer, isWhole);
  if (isOwed && delivery.how === "again" && answer.headers.get("connection") !== "close") world.kept = socket;
  else socket.destroy();
}

/** @returns whether all of it is on its way */
async function deliver(socket: HttpSocket, bytes: Buffer, delivery: Delivery): Promise<boolean> {
  if (delivery.how === "pieces") {
    // Not forever: what is large goes in larger pieces.
    const size = Math.max(delivery.size, Math.ceil(bytes.length / 60));
    for (let at = 0; at < bytes.length && socket.isOpen; at += size) {
      socket.write(bytes.subarray(at, at + size));
      await delay(delivery.pause);
    }
    return true;
  }
  if (delivery.how !== "cut" && delivery.how !== "half") {
    socket.write(bytes);
    return true;
  }
  socket.write(bytes.subarray(0, Math.floor((bytes.length * delivery.at) / 1000)));
  await delay(1);
  if (delivery.how === "cut") socket.destroy();
  else socket.halfClose();
  return false;
}

/** What comes behind a request before its answer is not read: so there is one answer at least, and never more than requests. */
async function pipeline(requests: Written[], { port }: World): Promise<void> {
  const socket = await HttpSocket.open(port);
  socket.write(Buffer.concat(requests.map(({ bytes }) => bytes)));
  for (const written of requests) {
    const isFirst = written === requests[0];
    const answer = await socket.next(written.plan.method, isFirst && written.clean ? PATIENCE_MS : MOMENT_MS);
    if (isFirst && written.clean && (answer === undefined || answer === "late"))
      throw new Violation("the first of several requests has no answer");
    if (answer === undefined || answer === "late") break;
    judge(written, answer, true);
  }
  socket.destroy();
}

/** Many connections that have begun to ask, and end all at once. */
async function crowd(requests: Written[], { times, at }: { times: number; at: number }, port: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: times }, () => HttpSocket.open(port)));
  for (const [number, socket] of sockets.entries()) {
    const { bytes } = requests[number % requests.length] as Written;
    socket.write(bytes.subarray(0, Math.floor((bytes.length * at) / 1000)));
  }
  await delay(5);
  for (const socket of sockets) socket.destroy();
}
