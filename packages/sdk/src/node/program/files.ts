import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { systemError } from "./system-error.ts";

export interface FileOptions {
  /** Take the place of a file that is there. Else that is an error, `EEXIST`. */
  replace?: boolean | undefined;
  /** Whose file it becomes where root makes it: `folder`, of the folder's owner, who has to use it. Default: root's. */
  owner?: "folder" | undefined;
  /** Its permissions; default: its owner alone reads and writes it. */
  mode?: number | undefined;
}

/**
 * Writes a file that is whole and on disk when it has its name, and that its owner alone can read, unless `mode` says otherwise. If that fails, for want
 * of room or whatever, nothing is left of it, and what was there before is as it was.
 * @throws what the system says: ENOSPC, EEXIST, EISDIR, EACCES ...; EFTYPE where something is that is no file, such as a device
 */
export function writeWhole(path: string, content: string | Uint8Array, options: FileOptions = {}): void {
  makeWhole(path, ({ fd }) => writeFileSync(fd, content), options);
}

/**
 * The same for a file that something else fills: `fill` gets it empty, open, under the name that it has until it is whole.
 * @returns what `fill` returns
 */
export function makeWhole<T>(
  path: string,
  fill: (partial: { file: string; fd: number }) => T,
  { replace = false, owner, mode = 0o600 }: FileOptions = {},
): T {
  const target = replace ? replaceable(path) : path;
  if (!replace && lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw exists(path);
  const folder = dirname(target);
  sweep(folder);
  const partial = join(folder, `.aimessage-${process.pid}-${Math.random().toString(36).slice(2)}.partial`);
  // A new file only: a link that somebody has put there leads nowhere.
  const fd = openSync(partial, "wx", 0o600);
  let open = true;
  try {
    fchmodSync(fd, mode);
    if (owner === "folder") giveToFoldersOwner(fd, folder);
    const value = fill({ file: partial, fd });
    fsyncSync(fd);
    // Some file systems tell only now that there was no room.
    open = false;
    closeSync(fd);
    if (replace) renameSync(partial, target);
    else if (!takeName(partial, target)) throw exists(target);
    syncFolder(folder);
    return value;
  } finally {
    if (open) closeSync(fd);
    rmSync(partial, { force: true });
  }
}

/** What some file systems cannot do. */
const NOT_SUPPORTED = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

export function isNotSupported(error: unknown): boolean {
  return NOT_SUPPORTED.has((error as NodeJS.ErrnoException).code ?? "");
}

/** One that is so old is nobody's any more: its process was killed. Milliseconds. */
const ABANDONED_MS = 3_600_000;

/** What processes have left that were killed: a part of a file, which may hold a secret. */
function sweep(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      if (!/^\.aimessage-\d+-\w+\.partial$/.test(name)) continue;
      const { mtimeMs } = lstatSync(join(folder, name));
      if (Date.now() - mtimeMs > ABANDONED_MS) rmSync(join(folder, name), { force: true });
    }
  } catch {
    // It cannot be read, or is another user's: the next one does it.
  }
}

/** The file whose place a new one may take. A link is followed where nobody else can have put it, else replaced itself. */
function replaceable(path: string): string {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return path;
  if (there.isSymbolicLink()) return isOurs(dirname(path)) ? replaceable(realpathSync(path)) : path;
  if (there.isDirectory()) throw systemError("EISDIR", "it is a folder", { path });
  if (!there.isFile()) throw systemError("EFTYPE", "it is no file", { path });
  return path;
}

function isOurs(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return process.geteuid === undefined || (uid === process.geteuid() && (mode & 0o022) === 0);
}

/** Gives a file its name unless there is something of that name, at once where the file system can. @returns whether it has it */
export function takeName(partial: string, target: string): boolean {
  try {
    linkSync(partial, target);
    return true;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    // Without hard links, such as on sticks.
    if (!isNotSupported(error)) throw error;
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) return false;
    renameSync(partial, target);
    return true;
  }
}

/** Where root is at work in the folder of another user, what it makes there is that user's. */
function giveToFoldersOwner(fd: number, folder: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  if (uid !== 0) fchownSync(fd, uid, gid);
}

/** Has the disk take the names in a folder. */
export function syncFolder(folder: string): void {
  let fd: number;
  try {
    fd = openSync(folder, "r");
  } catch {
    // Windows opens no folder, and one may be for writing alone: the system keeps its names when it comes to it.
    return;
  }
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems of networks sync no folders.
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EINVAL" && !isNotSupported(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

function exists(path: string): NodeJS.ErrnoException {
  return systemError("EEXIST", "file already exists", { path });
}
