import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { builtCli } from "../../../test/built.ts";
import { Recorder } from "./console.ts";

/** What a process needs of the environment of the tests. */
const OURS = { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] };

/** Whether this machine has no `script`, which makes terminals. */
export const noTerminal = spawnSync("script", ["--version"]).status !== 0;

/** A process of its own; killed when the test ends, however that ends. */
export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly stdout: Recorder;
  readonly stderr: Recorder;
  /** Exit code, or the signal that ended it. */
  readonly exit: Promise<number | NodeJS.Signals>;
}

/** Starts the command line, as it is built, in a process of its own. */
export function startCli(words: readonly string[], env: Record<string, string>): Child {
  return start([builtCli(), ...words], env);
}

/** Starts a TypeScript file in a process of its own. */
export function startScript(path: string, words: readonly string[], env: Record<string, string>): Child {
  return start(["--conditions=@aimessage/source", path, ...words], env);
}

function start(args: readonly string[], env: Record<string, string>): Child {
  const child = spawn(process.execPath, args, {
    env: { ...OURS, ...env },
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

/** Runs a command of a shell at a terminal of its own, whose keyboard is stdin and whose screen stdout. */
export function startAtTerminal(
  shell: string,
  command: string,
  env: Record<string, string>,
): ChildProcessByStdio<Writable, Readable, null> {
  const terminal = spawn("script", ["-qec", command, "/dev/null"], {
    env: { ...OURS, SHELL: shell, ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  onTestFinished(() => void terminal.kill("SIGKILL"));
  return terminal;
}
