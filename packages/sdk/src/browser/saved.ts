/**
 * Files that have come, in the browser's file system: each in a folder of its own, in which nothing else ever lies, and which is its part until it is
 * whole. Its path is that folder's with its name behind it, and is in its record when all of it was verified, and not before.
 */
import { randomId } from "../protocol/index.ts";
import { safeName } from "../files/names.ts";
import type { FileTarget } from "../files/host.ts";
import { AgentError } from "../errors.ts";
import { folderAt, foldersIn, Pieces, type Place, removeFolder, wholeAt } from "./pieces.ts";

const PART = /^part-[0-9a-f]{16}$/;

export function newPart(): string {
  return `part-${randomId().slice(0, 16)}`;
}

/** Names on the way to a folder of the page's choice. With `root` it lies below that. @throws AgentError bad_file */
export function namesOf(folder: string, root?: string): string[] {
  const names = folder.split("/").filter((name) => name !== "" && name !== ".");
  if (names.some((name) => safeName(name) !== name || PART.test(name)))
    throw new AgentError("bad_file", `${folder} can be no folder here`, {
      reason: "bad_name",
      hint: "use plain names with / between them, or none",
    });
  const outside = root !== undefined && !namesOf(root).every((name, at) => name === names[at]);
  if (outside)
    throw new AgentError("bad_file", `${folder} is outside of ${root}`, {
      reason: "outside",
      hint: "name a folder below that",
    });
  return names;
}

/** Where the part of a file lies, or the file. */
function placeOf(files: Place, folder: string, part: string): Place {
  return [...files, ...namesOf(folder), part];
}

/** The path of a file that lies in a folder. */
export function pathIn(folder: string, part: string, name: string): string {
  return [...namesOf(folder), part, safeName(name)].join("/");
}

/** What a path tells; undefined if it is none of {@link pathIn}. */
function partsOf(path: string): { folder: string; part: string; name: string } | undefined {
  const [name = "", part = "", ...above] = path.split("/").reverse();
  return PART.test(part) && safeName(name) === name ? { folder: above.reverse().join("/"), part, name } : undefined;
}

export function folderOf(path: string): string {
  return partsOf(path)?.folder ?? "";
}

/** The file of a path. Undefined if there is none. */
export async function savedFile(files: Place, path: string): Promise<File | undefined> {
  const parts = partsOf(path);
  return parts === undefined ? undefined : wholeAt(placeOf(files, parts.folder, parts.part), parts.name);
}

/** @returns whether it was there */
export async function removeSaved(files: Place, path: string): Promise<boolean> {
  const parts = partsOf(path);
  if (parts === undefined) return false;
  const place = placeOf(files, parts.folder, parts.part);
  const isThere = (await folderAt(place)) !== undefined;
  await remove(files, place);
  return isThere;
}

/** Removes a part, unless it is the file of that path. */
export async function removePart(
  files: Place,
  { folder, part, path }: { folder: string; part: string; path: string | undefined },
): Promise<void> {
  if (!PART.test(part) || (path !== undefined && partsOf(path)?.part === part)) return;
  await remove(files, placeOf(files, folder, part));
}

/** With the folders above in which there is nothing else then. */
async function remove(files: Place, place: Place): Promise<void> {
  for (let at = place; at.length > files.length; at = at.slice(0, -1)) {
    if (at !== place && !(await isEmpty(at))) return;
    await removeFolder(at);
  }
}

async function isEmpty(place: Place): Promise<boolean> {
  return (await folderAt(place)) !== undefined && (await foldersIn(place)).length === 0;
}

/** A file that is saved. */
export class PartTarget implements FileTarget {
  readonly part: string;
  /** A part is never more than one: only its record tells that it is whole. */
  readonly finished = undefined;
  readonly #pieces: Pieces;
  readonly #place: Place;
  readonly #files: Place;
  readonly #path: string;

  private constructor(pieces: Pieces, { files, place, path }: { files: Place; place: Place; path: string }) {
    this.#pieces = pieces;
    this.#files = files;
    this.#place = place;
    this.#path = path;
    this.part = place.at(-1) as string;
  }

  static async open(files: Place, folder: string, { name, part }: { name: string; part: string }): Promise<PartTarget> {
    const place = placeOf(files, folder, part);
    return new PartTarget(await Pieces.open(place), { files, place, path: pathIn(folder, part, name) });
  }

  get bytes(): number {
    return this.#pieces.bytes;
  }

  read(from: number, to: number): Promise<Uint8Array> {
    return this.#pieces.read(from, to);
  }

  write(at: number, bytes: Uint8Array): Promise<void> {
    if (at !== this.bytes) throw new RangeError("a file is written from its beginning to its end");
    return this.#pieces.append(bytes);
  }

  truncate(bytes: number): Promise<void> {
    return this.#pieces.truncate(bytes);
  }

  async finish(record?: (path: string) => unknown): Promise<string> {
    await this.#pieces.flush();
    await record?.(this.#path);
    return this.#path;
  }

  discard(): Promise<void> {
    return remove(this.#files, this.#place);
  }

  close(): Promise<void> {
    return this.#pieces.flush();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
