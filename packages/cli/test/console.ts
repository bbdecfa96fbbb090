import { PassThrough, Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { eventually } from "../../../test/waiting.ts";
import type { Context } from "../src/context.ts";
import { run } from "../src/program.ts";

/** The program as it is installed. */
export const BIN = fileURLToPath(new URL("../bin/aimessage.js", import.meta.url));

/** What a command line printed, and how it ended. */
export interface Transcript {
  exit: number;
  stdout: string;
  stderr: string;
}

export interface ConsoleOptions {
  env?: Record<string, string>;
  /** What a pipe brings; undefined: stdin is a terminal where nobody types. */
  stdin?: string | Uint8Array;
  /** What somebody types at a terminal. */
  terminal?: Readable;
  interrupted?: AbortSignal;
  cwd?: string;
  stdout?: Writable;
  /** Where to watch what is said meanwhile. */
  stderr?: Recorder;
}

/** Runs a command line in this process, as a terminal would. */
export async function aimessage(argv: readonly string[], options: ConsoleOptions = {}): Promise<Transcript> {
  const [stdout, stderr] = [new Recorder(), options.stderr ?? new Recorder()];
  const context: Context = {
    stdout: options.stdout ?? stdout,
    stderr,
    stdin: options.stdin === undefined ? (options.terminal ?? idleTerminal()) : pipe(options.stdin),
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    program: { execPath: process.execPath, script: BIN },
    interrupted: options.interrupted ?? new AbortController().signal,
  };
  const exit = await run(argv, context);
  return { exit, stdout: stdout.text, stderr: stderr.text };
}

/** A stream that keeps what is written to it. */
export class Recorder extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString("utf8");
    done();
  }

  /** Resolves when the text so far matches. */
  async until(pattern: RegExp): Promise<void> {
    await eventually(`${pattern} is said, but ${JSON.stringify(this.text)}`, () => pattern.test(this.text));
  }
}

function idleTerminal(): Readable {
  return Object.assign(new PassThrough(), { isTTY: true });
}

function pipe(content: string | Uint8Array): Readable {
  const bytes = Buffer.from(content as string);
  return Readable.from(bytes.length === 0 ? [] : [bytes], { objectMode: false });
}
