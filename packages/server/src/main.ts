import { guardStdio } from "@aimessage/sdk/program";
import { processContext, run } from "./program.ts";

/** How long words that nobody reads may hold up the end of the process. Milliseconds. */
const LINGER_MS = 1_000;

guardStdio();
process.exitCode = await run(process.argv.slice(2), processContext());
// All that has to be taken was: what is left are lines of the log, or words on stderr.
setTimeout(() => process.exit(), LINGER_MS).unref();
