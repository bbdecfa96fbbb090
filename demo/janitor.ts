/**
 * Cleans up behind the demo, however that ends: also when it is killed. It is told on its input of folders and processes, and when
 * its input ends it removes and kills what is left of them. What ends a terminal's processes does not end it before.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const folders = new Set<string>();
const running = new Set<number>();
for await (const line of createInterface({ input: process.stdin })) {
  const { folder, started, ended } = JSON.parse(line) as { folder?: string; started?: number; ended?: number };
  if (folder !== undefined) folders.add(folder);
  if (started !== undefined) running.add(started);
  if (ended !== undefined) running.delete(ended);
}
for (const pid of running) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself just now.
  }
}
for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
