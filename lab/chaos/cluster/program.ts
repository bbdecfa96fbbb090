import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Ledger } from "./ledger.ts";

const program = fileURLToPath(new URL("main.ts", import.meta.url));

export interface Result {
  counts: Ledger["counts"];
  /** How often each kind of fault has struck. */
  faults: Record<string, number>;
  longestPauseMs: number;
  violations: string[];
  /** With the logs of the relays, if something is wrong. */
  folder?: string;
}

/** Runs the whole program, as its tests do. */
export function chaosOfCluster(...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, "--json", ...args], { maxBuffer: 2 ** 24 }, (_, stdout, stderr) => {
      if (stdout === "") reject(new Error(stderr));
      else resolve(JSON.parse(stdout) as Result);
    });
  });
}
