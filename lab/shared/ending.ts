import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Time that a process has to end by itself. */
const PATIENCE_MS = 30_000;

/** Ends a process, by force if it takes too long. Resolves when it is gone and everything that it printed has been read. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "close");
  child.kill(signal);
  const stuck = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  await gone;
  clearTimeout(stuck);
}
