import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import type { Act, Call } from "../call.ts";
import { hundredths } from "../bench/figures.ts";
import { interruptedExit } from "../context.ts";
import { UsageError } from "../errors.ts";
import { table } from "@aimessage/sdk/program";
import { fileSize } from "../units.ts";
import { count, patience, size } from "../values.ts";
import type { Agent } from "@aimessage/sdk/node";

interface Options {
  pairs: number;
  size: number;
  window: number;
  seconds: number;
  files?: number;
  group?: number;
}

/** One message's way, in milliseconds: until its sender knew that it was on the relay's disk, and that it was handled. */
interface Way {
  stored: number;
  handled: number;
}

const NOTES = `
Agents of its own, in a temporary folder, are registered for it and removed again. All of them run in this process, so with many
pairs it is this machine that is measured. A relay's limits apply: by default 200 frames a second for each account.

With --files a file goes from one agent to another, and the same bytes by bare HTTP to a server on this machine and back, three times in turns: what there
is to be had here without encryption and a relay. up: until the relay has it on its disk; down: until it is saved.

With --group a group of that many is founded, by an agent whose members are accounts that listen and read nothing, and gets messages. Beside it: as many
seals of HPKE as it has members, and the same bytes from one bare socket to as many others.

Examples:
  aimessage bench -s ws://localhost:8080 --pairs 2 --window 16 --seconds 5
  aimessage bench -s ws://localhost:8080 --files 100MiB
  aimessage bench -s ws://localhost:8080 --group 50
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Measure a relay: encrypted messages between pairs of agents, until they are handled.")
    .addOption(whole("--pairs <n>", "senders, each with a receiver of its own", 1))
    .addOption(whole("--size <bytes>", "size of a message", 128))
    .addOption(whole("--window <n>", "messages of one sender that are not handled yet, at most", 16))
    .addOption(new Option("--seconds <time>", "how long they send").argParser(patience).default(5_000, "5s"))
    .addOption(
      new Option("--files <size>", "measure a file of this size instead: 100MiB, 1GiB").argParser((text) => {
        const bytes = size(text);
        if (bytes === 0) throw new InvalidArgumentError("Write a size above zero.");
        return bytes;
      }),
    )
    .addOption(new Option("--group <members>", "measure a group of so many instead: 3 to 1000").argParser(members))
    .addHelpText("after", NOTES)
    .action(act(bench));
}

async function bench(call: Call, options: Options): Promise<number> {
  const { settings, context, out } = call;
  if (settings.server === undefined) throw new UsageError("a relay is required", "name it: bench -s ws://HOST:PORT");
  const folder = await mkdtemp(join(tmpdir(), "aimessage-bench-"));
  const home = join(folder, "agents");
  const agents: Agent[] = [];
  try {
    const { Agent } = await import("@aimessage/sdk/node");
    const server = settings.server;
    const register = async (role: string) => {
      const username = `bench-${role}-${randomBytes(8).toString("hex")}`;
      const insecure = settings.insecure ? { insecure: true } : {};
      const agent = await Agent.open({ home, username, server, signal: context.interrupted, ...insecure });
      agents.push(agent);
      return agent;
    };
    const pairs: [Agent, Agent][] = [];
    const { files } = options;
    if (files !== undefined) {
      const [sender, receiver] = [await register("s"), await register("r")];
      out.note(`Measuring ${server} by a file of ${fileSize(files)}...`);
      const { benchFiles } = await import("../bench/files.ts");
      await benchFiles(call, { sender, receiver, bytes: files, folder: join(folder, "files") });
      return context.interrupted.aborted ? interruptedExit(context) : 0;
    }
    const { group } = options;
    if (group !== undefined) {
      const { benchGroup } = await import("../bench/group.ts");
      await benchGroup(call, { server, founder: await register("f"), members: group });
      return context.interrupted.aborted ? interruptedExit(context) : 0;
    }
    for (let index = 0; index < options.pairs; index++) pairs.push([await register("s"), await register("r")]);
    out.note(`Measuring ${server} for ${options.seconds / 1000} s...`);
    for (const [sender, receiver] of pairs) {
      void answer(receiver);
      // The first message opens the conversation, and does not count.
      await (await sender.send(receiver.username, "hello")).handled();
    }
    const begun = performance.now();
    const ways = (await Promise.all(pairs.map((pair) => run(pair, options, begun, context.interrupted)))).flat();
    await report(call, options, ways, performance.now() - begun);
    return context.interrupted.aborted ? interruptedExit(context) : 0;
  } finally {
    for (const agent of agents) await agent.unregister({ release: true, timeout: 5_000 }).catch(() => agent.close());
    await rm(folder, { recursive: true, force: true });
  }
}

async function answer(receiver: Agent): Promise<void> {
  for await (const message of receiver.messages()) void message.handled().catch(() => undefined);
}

/** Sends with a window until the time is over; each message that is handled makes room for the next. */
async function run(
  [sender, { username }]: [Agent, Agent],
  options: Options,
  begun: number,
  signal: AbortSignal,
): Promise<Way[]> {
  const body = randomBytes(options.size);
  const ways: Way[] = [];
  const lane = async (): Promise<void> => {
    while (performance.now() - begun < options.seconds && !signal.aborted) {
      const start = performance.now();
      const sent = await sender.send(username, body);
      await sent.stored({ signal });
      const stored = performance.now() - start;
      await sent.handled({ signal });
      ways.push({ stored, handled: performance.now() - start });
    }
  };
  await Promise.all(Array.from({ length: options.window }, lane));
  return ways;
}

async function report({ out }: Call, { pairs, size, window }: Options, ways: Way[], elapsed: number): Promise<void> {
  const stored = ways.map((way) => way.stored).toSorted((a, b) => a - b);
  const handled = ways.map((way) => way.handled).toSorted((a, b) => a - b);
  const perSecond = ways.length / (elapsed / 1000);
  const lines = [
    `${ways.length} messages of ${size} bytes, pairs: ${pairs}, window: ${window}`,
    `${Math.round(perSecond)} messages/s`,
    "",
    ...table([
      ["", "p50", "p99"],
      ["stored", ...times(stored)],
      ["handled", ...times(handled)],
    ]),
  ];
  await out.data(lines, {
    messages: ways.length,
    seconds: hundredths(elapsed / 1000),
    per_second: hundredths(perSecond),
    pairs,
    size,
    window,
    stored: quantiles(stored),
    handled: quantiles(handled),
  });
}

function members(text: string): number {
  const members = count(text);
  if (members < 3 || members > 1_000) throw new InvalidArgumentError("Write a number from 3 to 1000.");
  return members;
}

function whole(flags: string, about: string, value: number): Option {
  return new Option(flags, about).argParser(count).default(value);
}

/** A quantile of sorted numbers; 0 of none. */
function at(sorted: number[], share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

function times(sorted: number[]): string[] {
  return [0.5, 0.99].map((share) => `${at(sorted, share).toFixed(1)} ms`);
}

function quantiles(sorted: number[]) {
  return { p50_ms: hundredths(at(sorted, 0.5)), p99_ms: hundredths(at(sorted, 0.99)) };
}
