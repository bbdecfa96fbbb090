/** Whoever reads what is printed may go while nothing is to be printed, and hold the other end of stdin open. */
import { spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import type { Writable } from "node:stream";

/**
 * Calls `gone` when nobody reads stdout any more. A pipe tells Node so only where it is written to; `tail -f` of GNU looks at its own
 * output, and ends when nobody reads that. Where there is none, the next line that is printed tells.
 */
export function watchReader(stdout: Writable, gone: () => void): Disposable {
  stdout.once("close", gone).once("error", gone);
  const ends = new AbortController();
  if (stdout === process.stdout && process.platform === "linux" && fstatSync(1).isFIFO()) {
    // It must not hold the pipe open longer than this process lives.
    const words = ["-f", "/dev/null", `--pid=${process.pid}`];
    const tail = spawn("tail", words, { stdio: ["ignore", "inherit", "ignore"], signal: ends.signal });
    // SIGPIPE is its end where nobody reads; another tail may not know the words.
    tail.once("exit", (_code, by) => by === "SIGPIPE" && gone()).on("error", () => undefined);
    tail.unref();
  }
  return {
    [Symbol.dispose]() {
      ends.abort();
      stdout.off("close", gone).off("error", gone);
    },
  };
}
