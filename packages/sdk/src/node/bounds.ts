/** Where files may lie that are sent or saved for somebody who may mean harm: below a folder, and nowhere by way of a link. */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { AgentError } from "../errors.ts";
import { isGone } from "./gone.ts";
import { asOwnerOf } from "./program/owner.ts";

export interface Bounds {
  /** Folder of all agents: nothing of it is sent, and nothing is saved there. */
  agents: string;
  /** Everything lies below it; undefined: anywhere. */
  root?: string | undefined;
}

/** A file that may be sent: what it is, by which it is known when it is opened again, and where. */
export interface Inspected {
  found: BigIntStats;
  /** By no link. */
  real: string;
}

/**
 * Looks at a file that is to be sent. All that is said of it is of the file that is open meanwhile, whatever becomes of its path: whoever
 * opens the path again compares device and inode.
 * @throws AgentError bad_file; what the system says of what may be read another time
 */
export function inspect(path: string, bounds: Bounds): Inspected {
  const whole = resolve(path);
  const fd = opened(whole, bounds);
  try {
    const found = fstatSync(fd, { bigint: true });
    const real = realPathOf(whole, found);
    if (real === undefined) throw bad(path, "is another one in each moment", "missing");
    refuseOutside(path, real, bounds);
    // One of its names may be anywhere.
    if (bounds.root !== undefined && found.nlink > 1n) throw bad(path, "has another name besides", "hard_link");
    if (!isAsLongAsItSays(fd, found.size)) throw isMadeUp(path);
    return { found, real };
  } finally {
    closeSync(fd);
  }
}

function opened(whole: string, bounds: Bounds): number {
  const there = thereAt(whole);
  try {
    // To open a device may do something already; and not to wait for whoever writes into a pipe that has taken its place.
    if (there?.isFile() === true) return openSync(whole, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    refuseOutside(whole, nearest(whole), bounds);
    if (!isGone(error)) throw error;
    throw bad(whole, "cannot be read", "missing", error);
  }
  refuseOutside(whole, nearest(whole), bounds);
  if (there === undefined) throw bad(whole, "is not there", "missing");
  throw there.isDirectory() ? isFolder(whole) : bad(whole, "is no file", "no_file");
}

/** Whether a file has the bytes of which its size speaks: one of `/proc` or `/sys` gives more, or fewer. */
function isAsLongAsItSays(fd: number, size: bigint): boolean {
  const byte = Buffer.alloc(1);
  try {
    if (size > 0n) return readSync(fd, byte, 0, 1, size - 1n) === 1;
    return readSync(fd, byte, 0, 1, 0) === 0 || fstatSync(fd).size > 0;
  } catch {
    return false;
  }
}

/** Where a path leads; undefined if that is not the file that was opened by it. */
function realPathOf(whole: string, found: BigIntStats): string | undefined {
  const real = realpathSync.native(whole);
  const there = lstatSync(real, { bigint: true, throwIfNoEntry: false });
  return there?.isFile() === true && there.dev === found.dev && there.ino === found.ino ? real : undefined;
}

/**
 * Makes a folder in which something is to be saved, if it is not there. @param folder A path below the root, which may be relative to it.
 * @returns it, by no link @throws AgentError bad_file; what the system says
 */
export function folderWithin(folder: string, root: string, agents: string): string {
  const bounds = { agents, root };
  const whole = resolve(root, folder);
  const begin = nearestPath(whole);
  let real = realpathSync.native(begin);
  refuseOutside(folder, join(real, "-"), bounds);
  for (const name of relative(begin, whole).split(sep)) {
    if (name === "") continue;
    if (name.startsWith(".")) throw hidden(folder);
    const next = join(real, name);
    asOwnerOf(real, () => mkdirSync(next, { recursive: true }));
    real = realpathSync.native(next);
    refuseOutside(folder, join(real, "-"), bounds);
  }
  return real;
}

/** Whether a file that was made in a folder is there, and nowhere else by way of a link that has come meanwhile. */
export function isRightThere(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.nlink === 1 && realpathSync.native(path) === path;
}

/** @param real By no link. @throws AgentError bad_file */
function refuseOutside(path: string, real: string, { agents, root }: Bounds): void {
  if (isInside(real, agents)) throw bad(path, "belongs to an agent", "own_store");
  if (root === undefined) return;
  const below = relative(realpathSync.native(root), real);
  if (below === ".." || below.startsWith(`..${sep}`) || isAbsolute(below))
    throw bad(path, `is not below ${root}`, "outside");
  if (below.split(sep).some(isHidden)) throw hidden(path);
}

export function isHidden(name: string): boolean {
  return name.startsWith(".");
}

/** Whether a path is a folder, or in it, by what the folder is, and not by how it is written. */
export function isInside(real: string, folder: string): boolean {
  const sought = thereAt(folder);
  if (sought === undefined) return false;
  for (let at = real; ; at = dirname(at)) {
    const found = thereAt(at);
    if (found !== undefined && found.dev === sought.dev && found.ino === sought.ino) return true;
    if (dirname(at) === at) return false;
  }
}

/** Where a path would be that is not there, by no link. */
function nearest(whole: string): string {
  const begin = nearestPath(whole);
  return join(realpathSync.native(begin), relative(begin, whole));
}

function nearestPath(whole: string): string {
  for (let at = whole; ; at = dirname(at)) if (thereAt(at) !== undefined || dirname(at) === at) return at;
}

/** What a path leads to; undefined if there is nothing, or this user may not know. */
function thereAt(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch (error) {
    if (!isGone(error)) throw error;
    return undefined;
  }
}

function hidden(path: string): AgentError {
  return bad(path, "is hidden: its name, or that of a folder in which it is, begins with a dot", "hidden");
}

function isFolder(whole: string): AgentError {
  const name = basename(whole) || "folder";
  return new AgentError("bad_file", `${whole} is a folder`, {
    reason: "no_file",
    hint: `pack it, for example: tar czf ${shown(`${name}.tgz`)} ${shown(name)}`,
  });
}

function isMadeUp(path: string): AgentError {
  return new AgentError("bad_file", `${path} has other bytes than its size says`, {
    reason: "no_file",
    hint: "the system makes it up while it is read: copy it into a file, and send that",
  });
}

/** A word of a command that is shown. */
function shown(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function bad(path: string, what: string, reason: string, cause?: unknown): AgentError {
  const isBound = reason === "outside" || reason === "hidden" || reason === "hard_link";
  return new AgentError("bad_file", `${path} ${what}`, {
    reason,
    hint: isBound
      ? "only what lies below the folder that the owner has named for files is sent or saved, by no link"
      : "name a file that this user can read, and that is not an agent's own",
    cause,
  });
}
