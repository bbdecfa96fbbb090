import { processContext } from "./context.ts";
import { run } from "./program.ts";

/** How long a connection whose other side is gone may hold up the end of the process. Milliseconds. */
const LINGER_MS = 1_000;

// A process that ends before its command has failed.
process.exitCode = 1;
void run(process.argv.slice(2), processContext()).then((code) => {
  process.exitCode = code;
  // All is printed and all is on disk; a socket to a dead network would keep the process for minutes.
  setTimeout(() => process.exit(), LINGER_MS).unref();
});
