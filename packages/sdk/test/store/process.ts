import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));

/** Starts {@link file://./child.ts} and waits until it has begun. It is killed after the test at the latest. */
export async function startChild(...words: string[]): Promise<{ process: ChildProcess; exit: Promise<unknown> }> {
  const child = spawn(process.execPath, ["--conditions=@aimessage/source", CHILD, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit").then(([code, signal]: unknown[]) => code ?? signal);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  await Promise.race([
    once(child.stdout, "data"),
    exit.then((how) => Promise.reject(new Error(`the child ended before it began: ${String(how)}`))),
  ]);
  return { process: child, exit };
}
