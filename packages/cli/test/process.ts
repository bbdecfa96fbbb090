import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { Recorder } from "./console.ts";

export const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** A process of its own; killed when the test ends, however that ends. */
export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly stdout: Recorder;
  readonly stderr: Recorder;
  /** Exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals>;
}

/** Starts the command line in a process of its own. */
export function startCli(words: readonly string[], env: Record<string, string>): Child {
  return startScript(MAIN, words, env);
}

/** Starts a TypeScript file in a process of its own. */
export function startScript(path: string, words: readonly string[], env: Record<string, string>): Child {
  const child = spawn(process.execPath, ["--conditions=source", path, ...words], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const exit = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  return { process: child, pid: child.pid ?? 0, stdout, stderr, exit };
}
