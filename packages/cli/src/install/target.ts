/** Files of others that are changed: read and written as they lie there, whatever leads to them. */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { asOwnerOf, makeWhole } from "@aimessage/sdk/program";
import { UneditableError } from "./edit.ts";

/** A file as it was read. */
export interface Target {
  /** Behind all links. */
  readonly path: string;
  /** Undefined if it is not there. */
  readonly text: string | undefined;
  /** The folder in which its host looks for it: as whose owner root works. */
  readonly room: string;
}

const MARK = "\u{feff}";
/** No configuration has so much. Bytes. */
const MOST_READ = 2 ** 26;
/** Links that lead to links. */
const LINKS = 40;

/**
 * @param within a folder out of which no link may lead: that of a project, which somebody else may have made
 * @throws UneditableError, and what the system says
 */
export function readTarget(path: string, within?: string): Target {
  const room = dirname(path);
  return asOwnerOf(room, () => {
    const real = behindLinks(path);
    if (within !== undefined && !isBelow(real, realFolder(within))) throw leadsOut(path, within);
    const found = statSync(real, { throwIfNoEntry: false });
    if (found === undefined) return { path: real, text: undefined, room };
    if (!found.isFile()) throw new UneditableError("it is no file");
    if (found.size > MOST_READ) throw new UneditableError("it is too large");
    return { path: real, text: textOf(readFileSync(real)), room };
  });
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UneditableError("it is no UTF-8 text");
  }
}

/** Where a file lies, or would be made, that others may have put elsewhere. */
function behindLinks(path: string): string {
  let real = path;
  for (let links = 0; links < LINKS; links++) {
    let to: string;
    try {
      to = readlinkSync(real);
    } catch {
      return join(realFolder(dirname(real)), basename(real));
    }
    real = resolve(dirname(real), to);
  }
  throw new UneditableError("links lead in a circle");
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Says which link it is. */
function leadsOut(path: string, within: string): UneditableError {
  let link = path;
  for (let up = dirname(path); isBelow(up, within) && !isBelow(behindLinks(up), realFolder(within)); up = dirname(up))
    link = up;
  return new UneditableError(`${link} is a link that leads out of the project, to ${behindLinks(link)}`);
}

/** A folder behind all links, also those that lead nowhere yet. */
function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(folder) === folder) throw error;
    return behindLinks(folder);
  }
}

/** A text without the mark that says that it is UTF-8, and what to put before it again. */
export function marked(text: string): { mark: string; rest: string } {
  return text.startsWith(MARK) ? { mark: MARK, rest: text.slice(1) } : { mark: "", rest: text };
}

/**
 * Writes a file whose place and mode stay as they were, with the {@link foldersFor} it. @param mode of one that is new
 * @throws UneditableError if it is not as it was read, and what the system says
 */
export function writeTarget(target: Target, content: string, mode: number): void {
  asOwnerOf(target.room, () => write(target, content, mode));
}

/** Folders that have to be made for a file, outer ones first. */
export function foldersFor({ path, room }: Target): string[] {
  return asOwnerOf(room, () => missing(dirname(path)));
}

function missing(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false }) === undefined ? [...missing(dirname(folder)), folder] : [];
}

function write({ path, text }: Target, content: string, mode: number): void {
  for (const folder of missing(dirname(path))) {
    mkdirSync(folder);
    chmodSync(folder, mode | 0o100 | ((mode & 0o044) >> 2));
  }
  const before = statSync(path, { throwIfNoEntry: false });
  try {
    makeWhole(
      path,
      ({ fd }) => {
        writeFileSync(fd, content);
        if (readTarget(path).text !== text) throw changed();
      },
      { replace: text !== undefined, mode: before === undefined ? mode : before.mode & 0o7777 },
    );
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EEXIST" ? changed() : error;
  }
}

/** Removes a file that is as it was read, and the folders that were made for it, as far as nothing is in them. */
export function removeTarget({ path, text, room }: Target, folders: readonly string[]): void {
  asOwnerOf(room, () => {
    if (readTarget(path).text !== text) throw changed();
    rmSync(path);
  });
  removeFolders({ room }, folders);
}

/** Inner ones first, as far as nothing is in them. */
export function removeFolders({ room }: Pick<Target, "room">, folders: readonly string[]): void {
  asOwnerOf(room, () => {
    for (const folder of folders.toReversed())
      try {
        rmdirSync(folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") return;
      }
  });
}

function changed(): UneditableError {
  return new UneditableError("it has been changed just now; try again");
}
