/** How fast files go from one agent to another, beside the same bytes by bare HTTP, in turns. */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import type { Agent } from "@aimessage/sdk/node";
import { table } from "@aimessage/sdk/program";
import type { Call } from "../call.ts";
import { fileSize } from "../units.ts";
import { BareServer } from "./bare.ts";
import { hundredths, median, timed } from "./figures.ts";

const ROUNDS = 3;
const CHUNK = 2 ** 20;
/** As long as something moves, this is not over. Milliseconds. */
const PATIENCE_MS = 600_000;

/** Milliseconds of one round. */
interface Round {
  up: number;
  down: number;
  put: number;
  get: number;
}

interface Bench {
  sender: Agent;
  receiver: Agent;
  /** Bytes of the file. */
  bytes: number;
  /** For files, which is no agent's. */
  folder: string;
}

export async function benchFiles(call: Call, bench: Bench): Promise<void> {
  const { bytes, folder } = bench;
  const path = join(folder, "file");
  await mkdir(folder, { recursive: true });
  await fill(path, bytes);
  await using bare = await BareServer.start(join(folder, "bare"));
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS && !call.context.interrupted.aborted; round++) {
    const put = await timed(() => bare.put(path, bytes));
    const { up, down } = await oneFile(bench, path, call.context.interrupted);
    const get = await timed(() => bare.get(join(folder, "got")));
    rounds.push({ up, down, put, get });
  }
  await report(call, bytes, rounds);
}

/** What cannot be compressed, nor guessed by a disk. */
async function fill(path: string, bytes: number): Promise<void> {
  const file = createWriteStream(path);
  for (let left = bytes; left > 0; left -= CHUNK)
    if (!file.write(randomBytes(Math.min(CHUNK, left)))) await once(file, "drain");
  file.end();
  await once(file, "close");
}

/** Up: until the relay has all of it on its disk. Down: until it is saved. */
async function oneFile({ sender, receiver, folder }: Bench, path: string, signal: AbortSignal) {
  const to = join(folder, "in");
  const up = await timed(async () => {
    const sent = await sender.send(receiver.username, "", { files: [path] });
    await sent.stored({ timeout: PATIENCE_MS, signal });
  });
  for await (const message of receiver.messages({ signal })) {
    const [file] = message.files;
    if (file === undefined) continue;
    const down = await timed(() => file.save(to, { maxBytes: file.bytes, signal }));
    await message.handled();
    await rm(to, { recursive: true });
    return { up, down };
  }
  return { up, down: Number.NaN };
}

async function report({ out }: Call, bytes: number, rounds: readonly Round[]): Promise<void> {
  const speed = (side: keyof Round): number => median(rounds.map((round) => (bytes / round[side]) * 1000));
  const ratio = (side: "up" | "down", floor: "put" | "get"): number =>
    median(rounds.map((round) => round[floor] / round[side]));
  const row = (side: "up" | "down", floor: "put" | "get"): string[] => [
    side,
    `${fileSize(Math.round(speed(side)))}/s`,
    `${fileSize(Math.round(speed(floor)))}/s`,
    ratio(side, floor).toFixed(2),
  ];
  const figures = (side: "up" | "down", floor: "put" | "get") => ({
    bytes_per_second: Math.round(speed(side)),
    bare: Math.round(speed(floor)),
    ratio: hundredths(ratio(side, floor)),
  });
  await out.data(
    [
      `a file of ${fileSize(bytes)}, rounds: ${rounds.length}`,
      "",
      ...table([["", "file", "bare", "ratio"], row("up", "put"), row("down", "get")]),
    ],
    { bytes, rounds: rounds.length, up: figures("up", "put"), down: figures("down", "get") },
  );
}
