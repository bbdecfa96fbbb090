import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { LinkHolder, LinkLock } from "../store/store.ts";
import { isBusy, translate } from "./sqlite-errors.ts";

const HOLDER = "link.json";

/** Takes the link of the agent in `folder`, if nobody holds it. `onRelease` tells those who wait. */
export async function takeLink(folder: string, role: string, onRelease: () => void): Promise<LinkLock | undefined> {
  const file = join(folder, "link.db");
  let lock: DatabaseSync | undefined;
  try {
    if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
    lock = new DatabaseSync(file, { timeout: 0 });
    // The system drops the lock the instant that this process dies, however it dies.
    lock.exec("BEGIN EXCLUSIVE");
    writeFileSync(join(folder, HOLDER), JSON.stringify({ pid: process.pid, role }), { mode: 0o600 });
  } catch (error) {
    lock?.close();
    if (isBusy(error)) return undefined;
    throw translate(error, folder);
  }
  const held = lock;
  return {
    release: async () => {
      if (!held.isOpen) return;
      try {
        // While the lock is still ours: behind it, the file may be the next holder's.
        rmSync(join(folder, HOLDER), { force: true });
      } finally {
        held.close();
        onRelease();
      }
    },
  };
}

/** Who took the link last and has not let go of it: one that was killed is named until the next one takes it. */
export function linkHolder(folder: string): LinkHolder | undefined {
  try {
    const { pid, role } = JSON.parse(readFileSync(join(folder, HOLDER), "utf8")) as LinkHolder;
    return { pid, role, stopped: isStopped(pid) };
  } catch {
    return undefined;
  }
}

function isStopped(pid: number): boolean {
  try {
    // The state is the first field behind the name in parentheses, which may itself contain any character.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false;
  }
}
