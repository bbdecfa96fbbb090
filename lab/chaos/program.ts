import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("main.ts", import.meta.url));

export interface Result {
  messages: number;
  violations: string[];
  /** With the logs of all processes, if something is wrong. */
  folder?: string;
}

/** Runs the whole program, as its tests do. */
export function chaos(...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, "--json", ...args], { maxBuffer: 2 ** 24 }, (_, stdout, stderr) => {
      if (stdout === "") reject(new Error(stderr));
      else resolve(JSON.parse(stdout) as Result);
    });
  });
}
