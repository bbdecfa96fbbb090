import type { Writable } from "node:stream";
import { createOutput, garbledArgument, type Line, StdoutError, withHelpFlag } from "@aimessage/sdk/program";
import { AdminError } from "./admin/admin-error.ts";
import { isAdminCommand } from "./config/commands.ts";
import { runAdmin } from "./admin/program.ts";
import { readConfig } from "./config/config.ts";
import { UsageError } from "./config/usage-error.ts";
import type { Surroundings } from "./serve.ts";
import { StartupError } from "./startup-error.ts";

/** Everything that the program takes from its process. Tests give their own. */
export interface Context extends Surroundings {
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function processContext(): Context {
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    stopped: signalled,
    onHangUp: (act) => void process.on("SIGHUP", act),
  };
}

/** Runs one command line and returns its exit code. Never throws. */
export async function run(argv: string[], context: Context): Promise<number> {
  const out = createOutput(context, { json: argv.includes("--json"), quiet: false });
  try {
    const garbled = garbledArgument(argv);
    if (garbled !== undefined) throw new UsageError(`An argument is no UTF-8 text: ${garbled}`);
    const words = wordsOf(argv);
    if (isAdminCommand(words[0])) await runAdmin(words, context);
    // Of a word that is no command it is said what may be meant.
    else if (isCommand(words[0])) await runAdmin(words.slice(0, 1), context);
    else {
      const config = readConfig(words, context.env);
      if ("print" in config) await out.text(config.print);
      else {
        // A command of an administrator's does without all that a relay is made of.
        const { serve } = await import("./serve.ts");
        await serve(config, context);
      }
    }
    return 0;
  } catch (error) {
    // A reader such as `head` has read enough.
    if (error instanceof StdoutError && error.code === "EPIPE") return 0;
    const { code, message, hint } = explain(error);
    out.fail(message, hint, { error: code, message: typeof message === "string" ? message : message.body, hint });
    return error instanceof UsageError ? 2 : code === "fenced" ? FENCED : 1;
  }
}

/** EX_SOFTWARE of sysexits.h: whoever watches the process starts it anew. */
const FENCED = 70;

/** The command first, and help by the flag: an account may be called `help`, a file and a command are not. */
function wordsOf(argv: readonly string[]): string[] {
  const words = argv[0] === "--json" ? [...argv.slice(1), "--json"] : argv;
  return withHelpFlag(words, (command) => command === "serve" || isAdminCommand(command));
}

/** Whether a word is no option, and not that for the relay itself. */
function isCommand(word: string | undefined): boolean {
  return word !== undefined && word !== "serve" && !word.startsWith("-");
}

/** The code is stable, for programs. */
function explain(error: unknown): { code: string; message: Line; hint: string } {
  if (error instanceof UsageError) return { code: "usage", message: error.message, hint: error.hint };
  if (error instanceof StartupError) return { code: "start", message: error.message, hint: error.hint };
  if (error instanceof AdminError) return { code: "failed", message: error.message, hint: error.hint };
  if (error instanceof StdoutError)
    return {
      code: "stdout",
      message: `Cannot write to standard output (${error.code})`,
      hint: "what was printed is not whole: print it again where there is room",
    };
  if ((error as Error).name === "FencedError")
    return {
      code: "fenced",
      message: `This relay is no part of its cluster any more: ${(error as Error).message}`,
      hint: "start it again; what it acknowledged is in PostgreSQL, if that was not put back itself",
    };
  if ((error as NodeJS.ErrnoException).syscall === "uv_cwd")
    return {
      code: "failed",
      message: "The working folder was deleted",
      hint: "give whole paths, or change to another folder",
    };
  const body = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: "internal",
    message: { line: "", body },
    hint: "this is a fault of aimessage-server: please report it",
  };
}

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve(signal));
  });
}
