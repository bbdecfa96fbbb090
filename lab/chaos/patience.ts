/** What the processes of an agent do about errors: wait for a disk that recovers, and end, with a word, at anything else. */
import { setTimeout as delay } from "node:timers/promises";
import { AgentError } from "@aimessage/sdk/node";
import { print } from "./orders.ts";

export const RETRY_MS = 100;
/** Of these, the disk can be expected to recover while the program goes on. */
const PASSING = new Set(["disk_full", "store_busy", "home_unwritable"]);

export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AgentError && PASSING.has(error.code))) throw error;
      await delay(RETRY_MS);
    }
  }
}

export function end(error: unknown): never {
  const code = error instanceof AgentError ? error.code : "internal";
  print({ kind: "error", code, message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(1);
}
