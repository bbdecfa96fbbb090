import { lstatSync, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { systemError } from "./system-error.ts";

/** A user of the system, and the group that goes with it. */
interface Owner {
  uid: number;
  gid: number;
}

/**
 * From now on this process is the user to whom a folder belongs, if it was root's and the folder is not: what is made there
 * is that user's, and what the user has put there, such as a link to a file of root's, leads to nothing that the user
 * cannot reach anyway. For good: it does not become root again, and loads no more of a program that only root can read.
 * @param folder One that is not there yet belongs to whom the one belongs in which it would be made.
 * @throws what the system says: EPERM ...; ELOOP if a link of somebody else leads there
 */
export function becomeOwnerOf(folder: string): void {
  const owner = otherOwnerOf(folder);
  if (owner === undefined) return;
  change(folder, owner, () => {
    process.setgroups?.([owner.gid]);
    process.setgid?.(owner.gid);
    process.setuid?.(owner.uid);
  });
}

/** The same for as long as `work` takes, which must not wait for anything: all threads of the process are that user. */
export function asOwnerOf<T>(folder: string, work: () => T): T {
  const owner = otherOwnerOf(folder);
  if (owner === undefined) return work();
  const gid = process.getegid?.() ?? 0;
  const groups = process.getgroups?.() ?? [];
  const restore = (): void => {
    process.seteuid?.(0);
    process.setegid?.(gid);
    process.setgroups?.(groups);
  };
  try {
    change(folder, owner, () => {
      process.setgroups?.([owner.gid]);
      process.setegid?.(owner.gid);
      process.seteuid?.(owner.uid);
    });
    return work();
  } finally {
    restore();
  }
}

/** Undefined where this process is not root's, or the folder is. */
function otherOwnerOf(folder: string): Owner | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const path = nearest(resolve(folder));
  const { uid, gid } = statSync(path);
  refuseLinksOfOthers(path, uid);
  return uid === 0 ? undefined : { uid, gid };
}

function nearest(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined && dirname(path) !== path
    ? nearest(dirname(path))
    : path;
}

/** Somebody whose link leads to the folder of another could have root at work there. */
function refuseLinksOfOthers(path: string, owner: number): void {
  for (let end = path.indexOf(sep, 1); ; end = path.indexOf(sep, end + 1)) {
    const part = end < 0 ? path : path.slice(0, end);
    const found = lstatSync(part);
    if (found.isSymbolicLink() && found.uid !== 0 && found.uid !== owner)
      throw systemError("ELOOP", "a link of another user", { path: part, syscall: "open" });
    if (end < 0) return;
  }
}

function change(folder: string, owner: Owner, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw Object.assign(error as Error, { path: folder, dest: `uid ${owner.uid}` });
  }
}
