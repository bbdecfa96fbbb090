import { spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

const LOOK_AGAIN_MS = 2;

/** Processes that a process has started and that have not ended. */
export function childrenOf(pid: number): number[] {
  return processes()
    .filter(({ parent, hasEnded }) => parent === pid && !hasEnded)
    .map(({ pid }) => pid);
}

export function isAlive(pid: number): boolean {
  return processes().some((process) => process.pid === pid && !process.hasEnded);
}

/** Stops a process where it is, then all that it has started: it starts nothing more meanwhile. SIGCONT wakes each. */
export function freezeWithChildren(pid: number): void {
  process.kill(pid, "SIGSTOP");
  signalAll(childrenOf(pid), "SIGSTOP");
}

export function thawWithChildren(pid: number): void {
  signalAll(childrenOf(pid), "SIGCONT");
  process.kill(pid, "SIGCONT");
}

/** Kills a process with all that it has started, as if their machine had died: none learns of the end of another. */
export async function killWithChildren(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  for (let children = childrenOf(pid); children.length > 0; children = childrenOf(pid)) {
    signalAll(children, "SIGKILL");
    await delay(LOOK_AGAIN_MS);
  }
  process.kill(pid, "SIGKILL");
}

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself just now.
    }
}

function processes(): { pid: number; parent: number; hasEnded: boolean }[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
  return stdout.split("\n").map((line) => {
    const [pid = "", parent = "", state = ""] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), hasEnded: /^(Z|$)/.test(state) };
  });
}
