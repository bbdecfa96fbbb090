import { createOutput } from "@aimessage/sdk/program";
import { processContext } from "./context.ts";
import { type HookCall, hookCall } from "./hook/call.ts";

/** How long a connection whose other side is gone may hold up the end of the process. Milliseconds. */
const LINGER_MS = 1_000;

// A process that ends before its command has failed.
process.exitCode = 1;
const argv = process.argv.slice(2);
const context = processContext();
const hook = hookCall(argv);
void (hook === undefined ? run() : answer(hook));

async function answer(call: HookCall): Promise<void> {
  // Whatever becomes of it: its host goes on.
  process.exitCode = 0;
  try {
    // Here, not above: other commands look at no store so.
    const { answerHook } = await import("./hook/hook.ts");
    const said = await answerHook(call, context.stdin, context);
    if (said !== undefined) await createOutput(context, { json: true, quiet: true }).data([], said);
  } catch {
    // It says nothing.
  }
}

async function run(): Promise<void> {
  // Here, not above: hooks are called after each tool of an assistant, and need none of it.
  const { run } = await import("./program.ts");
  const code = await run(argv, context);
  process.exitCode = code;
  // All is printed and all is on disk; a socket to a dead network would keep the process for minutes.
  setTimeout(() => process.exit(), LINGER_MS).unref();
  if (code === 130) await dieAtTerminal();
}

/** bash ends a loop at Ctrl+C only where the command has died of the signal itself. Its exit code is 130 either way. */
async function dieAtTerminal(): Promise<void> {
  const { isatty } = await import("node:tty");
  if (![0, 1, 2].some((fd) => isatty(fd))) return;
  // Our own handler may still wait for the first one.
  process.removeAllListeners("SIGINT");
  // At a question Ctrl+C was a key: those hear of it now whom the terminal would have told, a shell's loop among them.
  process.kill(context.interrupted.aborted ? process.pid : 0, "SIGINT");
}
