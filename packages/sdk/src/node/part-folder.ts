/** How a part of a file is made and found again in its folder, and gets its name there, which is no other file's. */
import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { nameKey, numbered } from "../files/names.ts";
import { isNotSupported, syncFolder, takeName } from "./program/files.ts";
import { systemError } from "./program/system-error.ts";

/** What a part is called, which is a name and no path. */
const PART = /^\.[^/\\\0]+\.part-[0-9a-f]{16}$/;

export function isPart(name: string): boolean {
  return PART.test(name);
}

/** A part that is open. */
export interface OpenPart {
  fd: number;
  /** Its name in the folder. */
  part: string;
  found: BigIntStats;
  /** Its whole path, if it has its name already. */
  finished?: string | undefined;
}

/** What the part of a file may be called; nobody else calls one so. `name`: of `safeName` */
export function newPart(name: string): string {
  return `.${name}.part-${randomBytes(8).toString("hex")}`;
}

/** A part of a file that begins. `wanted`: what it is called if nothing is. */
export function openNew(folder: string, name: string, wanted: string): OpenPart {
  const isFree = isPart(wanted) && lstatSync(join(folder, wanted), { throwIfNoEntry: false }) === undefined;
  const part = isFree ? wanted : newPart(name);
  // A new file only: a link that somebody has put there leads nowhere.
  const fd = openSync(join(folder, part), "wx+", 0o600);
  try {
    const found = fstatSync(fd, { bigint: true });
    if ((found.mode & 0o777n) !== 0o600n) setMode(fd);
    return { fd, part, found };
  } catch (error) {
    closeSync(fd);
    rmSync(join(folder, part), { force: true });
    throw error;
  }
}

/** An unusual umask may have taken rights away. Some file systems, of sticks, have the same for all their files. */
function setMode(fd: number): void {
  try {
    fchmodSync(fd, 0o600);
  } catch (error) {
    if (!isNotSupported(error)) throw error;
  }
}

/** A part of before, or undefined if this is not surely the one that was left. */
export function openAgain(folder: string, name: string, part: string): OpenPart | undefined {
  const path = join(folder, part);
  // To open a device or a pipe may do something already.
  if (!PART.test(part) || lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  const fd = openNoLink(path);
  if (fd === undefined) return undefined;
  try {
    const opened = rightOne(folder, name, { fd, part });
    if (opened !== undefined) return opened;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

function rightOne(folder: string, name: string, { fd, part }: Pick<OpenPart, "fd" | "part">): OpenPart | undefined {
  const found = fstatSync(fd, { bigint: true });
  if (found.isFile() && (process.geteuid === undefined || Number(found.uid) === process.geteuid())) {
    if (found.nlink === 1n) return { fd, part, found };
    // A process has ended when the file had its name and the part was not yet gone.
    const finished = found.nlink === 2n ? nameOf(folder, name, found) : undefined;
    if (finished !== undefined) {
      syncFolder(folder);
      return { fd, part, found, finished };
    }
  }
  return undefined;
}

function openNoLink(path: string): number | undefined {
  try {
    // Windows knows neither of the others: what is undefined counts nothing here.
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

/** Where in the folder a file stands under its name, or under one of its names with a number. */
function nameOf(folder: string, name: string, file: BigIntStats): string | undefined {
  return readdirSync(folder)
    .filter((found) => {
      const [, n] = / \((\d+)\)[^ ]*$/.exec(found) ?? [];
      return [name, ...(n === undefined ? [] : [numbered(name, Number(n))])].some(
        (one) => nameKey(one) === nameKey(found),
      );
    })
    .map((found) => join(folder, found))
    .find((path) => isSame(path, file));
}

/** Whether a path leads to a file, by no link. */
export function isSame(path: string, file: BigIntStats): boolean {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.isFile() === true && found.dev === file.dev && found.ino === file.ino;
}

/** Gives a part the first name that is free. @returns its whole path */
export function giveName(folder: string, name: string, part: string): string {
  const taken = new Set(namesIn(folder).map(nameKey));
  // Others may take names meanwhile, and a file system may know more names that are the same.
  for (let n = 1; n <= taken.size + 1_000; n++) {
    const one = n === 1 ? name : numbered(name, n);
    if (!taken.has(nameKey(one)) && takeName(join(folder, part), join(folder, one))) return join(folder, one);
  }
  throw systemError("EEXIST", "there is no name left", { path: join(folder, name) });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    // One may be for writing alone. Names that are quite the same are not taken there either.
    if (codeOf(error) === "EACCES") return [];
    throw error;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}
