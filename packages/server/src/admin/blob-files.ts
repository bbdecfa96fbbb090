/** Encrypted files in folders: a relay's own, and those beside backups. */
import { closeSync, constants, fstatSync, fsyncSync, linkSync, lstatSync, mkdirSync, openSync } from "node:fs";
import { opendirSync, readFileSync, readSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asOwnerOf, syncFolder } from "@aimessage/sdk/program";
import { blobPath, isGone, isIdIn, isPart, MARK } from "../store/blob-layout.ts";

/** A folder of files, and one whose owner root is when it works there. */
export interface BlobFolder {
  path: string;
  owner: string;
}

/** Copied at once. Bytes. */
const PIECE_BYTES = 2 ** 20;
/** Neither a link, nor something that keeps whoever opens it waiting. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** File systems that cannot, or users who may not, link a file have it copied. */
const NO_LINK = new Set(["EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** How large a file is; undefined if there is none. */
export function sizeOf(folder: string, id: string): number | undefined {
  const found = lstatSync(blobPath(folder, id), { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : undefined;
}

/** The mark of a relay's folder, by which its database knows it; undefined if it has none. */
export function markOf(folder: string): string | undefined {
  return unlessGone(() => readFileSync(join(folder, MARK), "utf8"))?.trim();
}

/** The ids of all that are in a folder. */
export function* blobsIn(folder: string): Iterable<string> {
  for (const part of namesIn(folder))
    if (isPart(part)) for (const id of namesIn(join(folder, part))) if (isIdIn(part, id)) yield id;
}

function* namesIn(folder: string): Iterable<string> {
  const opened = unlessGone(() => opendirSync(folder));
  if (opened === undefined) return;
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) yield entry.name;
  } finally {
    opened.closeSync();
  }
}

/**
 * What brings files that are sealed from one folder to another: as links, since such a file never changes, where the file system can and
 * both are of one user; else as copies.
 */
export function carrier(from: BlobFolder, to: BlobFolder) {
  let links = isOneUser(from.owner, to.owner);
  const made = new Set<string>();

  function makeFolderOf(id: string): void {
    const folder = dirname(blobPath(to.path, id));
    if (made.has(folder)) return;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    made.add(folder);
  }

  /** @returns undefined if it cannot be linked, false if it is not there */
  function link(id: string): boolean | undefined {
    makeFolderOf(id);
    try {
      linkSync(blobPath(from.path, id), blobPath(to.path, id));
      if (sizeOf(to.path, id) !== undefined) return true;
      rmSync(blobPath(to.path, id));
      return false;
    } catch (error) {
      if (isGone(error)) return false;
      if (NO_LINK.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    }
  }

  function copy(id: string): boolean {
    const source = asOwnerOf(from.owner, () => openFile(blobPath(from.path, id)));
    if (source === undefined) return false;
    try {
      asOwnerOf(to.owner, () => {
        makeFolderOf(id);
        const target = openSync(blobPath(to.path, id), "wx", 0o600);
        try {
          copyBytes(source, target);
          fsyncSync(target);
        } finally {
          closeSync(target);
        }
      });
    } finally {
      closeSync(source);
    }
    return true;
  }

  return {
    /** @returns whether it was there */
    bring(id: string): boolean {
      const linked = links ? asOwnerOf(to.owner, () => link(id)) : undefined;
      if (linked !== undefined) return linked;
      links = false;
      return copy(id);
    },

    /** Has the disk take the names of all that was brought. */
    sync(): void {
      if (made.size === 0) return;
      asOwnerOf(to.owner, () => [...made, to.path].forEach((folder) => syncFolder(folder)));
    },
  };
}

/** Puts files where others may be. @returns what takes back those that were not there */
export function mergeInto(folder: string, fresh: string): () => void {
  const added: string[] = [];
  const undo = (): void => added.forEach((id) => rmSync(blobPath(folder, id), { force: true }));
  try {
    for (const id of blobsIn(fresh)) {
      mkdirSync(dirname(blobPath(folder, id)), { recursive: true, mode: 0o700 });
      if (sizeOf(folder, id) === undefined) added.push(id);
      renameSync(blobPath(fresh, id), blobPath(folder, id));
    }
    for (const part of namesIn(folder)) syncFolder(join(folder, part));
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) syncFolder(folder);
  } catch (error) {
    undo();
    throw error;
  }
  return undo;
}

/** Removes the files of which nothing is known, and folders of which nothing is left. */
export function removeOthers(folder: string, isKnown: (id: string) => boolean): void {
  for (const id of blobsIn(folder)) if (!isKnown(id)) rmSync(blobPath(folder, id), { force: true });
  for (const part of [...namesIn(folder)].filter(isPart)) removeEmpty(join(folder, part));
  removeEmpty(folder);
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something is in it, or it is not there.
  }
}

export function copyBytes(from: number, to: number): void {
  const piece = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const bytes = readSync(from, piece);
    if (bytes === 0) return;
    writeFileSync(to, piece.subarray(0, bytes));
  }
}

/** Another disk, and Windows, where an open file cannot be replaced. */
const NO_MOVE = new Set(["EXDEV", "EPERM", "EACCES", "EBUSY"]);

/** Puts a file in the place of an empty one that is open. */
export function moveTo(source: string, { file, fd }: { file: string; fd: number }): void {
  try {
    renameSync(source, file);
  } catch (error) {
    if (!NO_MOVE.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    const from = openSync(source, "r");
    try {
      copyBytes(from, fd);
    } finally {
      closeSync(from);
    }
  }
}

/** Whether root would be the same user in both; whoever is not root always is. */
function isOneUser(one: string, other: string): boolean {
  return process.geteuid?.() !== 0 || statSync(one).uid === statSync(other).uid;
}

function openFile(path: string): number | undefined {
  const opened = unlessGone(() => openSync(path, READ));
  if (opened === undefined || fstatSync(opened).isFile()) return opened;
  closeSync(opened);
  return undefined;
}

function unlessGone<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
