import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { LinkHolder, LinkLock } from "../store/store.ts";
import { asOwnerOf } from "./program/owner.ts";
import { isBusy, translate } from "./sqlite-errors.ts";

const HOLDER = "link.json";

/** Takes the link of the agent in `folder`, if nobody holds it. `onRelease` tells those who wait. */
export async function takeLink(folder: string, role: string, onRelease: () => void): Promise<LinkLock | undefined> {
  let held: FileLock | undefined;
  try {
    held = asOwnerOf(folder, () => lock(join(folder, "link.db")));
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw translate(error, folder);
  }
  tell(folder, JSON.stringify({ pid: process.pid, role }));
  return {
    release: async () => {
      if (!held.isOpen) return;
      // While the lock is still ours: behind it, the file may be the next holder's.
      tell(folder, undefined);
      held.close();
      onRelease();
    },
  };
}

/** A file that nobody else can lock until it is closed, or this process has died. */
export interface FileLock {
  readonly isOpen: boolean;
  close(): void;
}

/** Locks a file for as long as this process lives. @throws if another one has it */
export function lock(file: string): FileLock {
  if (!existsSync(file)) writeFileSync(file, "", { mode: 0o600, flag: "a" });
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    // The system drops the lock the instant that this process dies, however it dies.
    db.exec("BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Says who holds the link, or that nobody does. That is information: where it cannot be left, others do without. */
function tell(folder: string, holder: string | undefined): void {
  const file = join(folder, HOLDER);
  try {
    asOwnerOf(folder, () => {
      // A new file each time: one that another user has left here could not be written.
      rmSync(file, { force: true });
      if (holder !== undefined) writeFileSync(file, holder, { mode: 0o600, flag: "wx" });
    });
  } catch {
    // The disk is full, or the file is another user's in a folder that is not ours either.
  }
}

/** Who took the link last and has not let go of it: one that was killed is named until the next one takes it. */
export function linkHolder(folder: string): LinkHolder | undefined {
  try {
    const text = asOwnerOf(folder, () => readFileSync(join(folder, HOLDER), "utf8"));
    const { pid, role } = JSON.parse(text) as LinkHolder;
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
