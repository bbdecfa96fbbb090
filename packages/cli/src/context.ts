import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { guardStdio } from "@aimessage/sdk/program";

/** Everything that a command takes from its process. Tests give their own. */
export interface Context {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdin: Readable & { isTTY?: boolean; fd?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** How this program was started: its executable and, unless that is all of it, its script. */
  readonly program: { readonly execPath: string; readonly script: string | undefined };
  /** Aborted by the first SIGINT or SIGTERM, which is its reason. */
  readonly interrupted: AbortSignal;
}

/** The exit code of what was interrupted before it was done: 128 and the number of the signal, as shells have it. */
export function interruptedExit({ interrupted }: Context): number {
  return interrupted.reason === "SIGTERM" ? 143 : 130;
}

/** The context of this process. A second signal ends it the hard way. */
export function processContext(): Context {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort(signal));
  guardStdio();
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    // Made by its first use, which most commands have none for.
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    // Only where a path needs it: it may have been deleted.
    get cwd() {
      return process.cwd();
    },
    // Of a program that is one file the script is a name within it.
    get program() {
      const [, script = ""] = process.argv;
      return { execPath: process.execPath, script: existsSync(script) ? script : undefined };
    },
    interrupted: interrupt.signal,
  };
}
