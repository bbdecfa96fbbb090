import { spawn } from "node:child_process";
import { once } from "node:events";
import { builtRelay } from "../../../test/built.ts";
import { eventually } from "../../../test/waiting.ts";

/** The relay as a process of its own. */
export function relayProcess(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [builtRelay(), ...args], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (data: Buffer) => (output.stdout += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output.stderr += data.toString()));
  const exited = once(child, "close").then(([code]) => code as number);
  return {
    child,
    output,
    exited,
    async lines(count: number): Promise<string[]> {
      const said = () => output.stdout.split("\n").length > count || child.exitCode !== null;
      await eventually(`a relay says ${count} lines`, said);
      return output.stdout.split("\n").slice(0, count);
    },
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}

/** Runs a command to its end. */
export async function command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  using process = relayProcess(args);
  const code = await process.exited;
  return { code, ...process.output };
}

/** A relay as a process, once it listens. */
export async function runningRelay(db: string, ...args: string[]) {
  const relay = relayProcess(["--port", "0", "--db", db, "--no-limits", ...args]);
  const port = /:(\d+)$/.exec((await relay.lines(1))[0] ?? "")?.[1];
  return Object.assign(relay, {
    url: `ws://localhost:${port}/ws`,
    async end(signal: NodeJS.Signals): Promise<void> {
      relay.child.kill(signal);
      await relay.exited;
    },
  });
}
