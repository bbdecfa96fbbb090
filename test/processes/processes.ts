import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { randomInt } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** A process of this test and what it has printed, over all its lives. */
export class Program {
  lines: string[] = [];
  errors = "";
  kills = 0;
  readonly #args: string[];
  #child: ChildProcess | undefined;

  constructor(args: string[]) {
    this.#args = args;
  }

  start(more: string[] = []): void {
    const child = spawn(process.execPath, [...this.#args, ...more], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    eachLine(child.stdout, (line) => this.lines.push(line));
    child.stderr.on("data", (data: Buffer) => (this.errors += data.toString()));
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get exitCode(): number | null {
    return this.#child?.exitCode ?? null;
  }

  /** Tells it something that does not end it, as to stand still. */
  tell(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  /** Ends it, and resolves when it is gone and everything that it printed has been read. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    const gone = once(child, "close");
    child.kill(signal);
    await gone;
    if (signal === "SIGKILL") this.kills += 1;
  }

  async exited(): Promise<number | null> {
    if (this.#child !== undefined && this.running) await once(this.#child, "close");
    return this.exitCode;
  }
}

/** Takes each line that a process has printed whole: one that was killed may leave a part of one. */
export function eachLine(output: Readable, take: (line: string) => void): void {
  let rest = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
}

/** Below the ports that systems give to whoever connects, one of which could be taken before it is listened to. */
const PORTS = { from: 10_000, to: 32_000 };

/** A port that is free now, for a relay that is started again and again. */
export async function freePort(): Promise<number> {
  const server = createServer();
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    server.listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** A temporary folder with a space in its name, removed when it is disposed. */
export function temporaryFolder(within = tmpdir()): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(within, "ai message "));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A repeatable random number generator (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
