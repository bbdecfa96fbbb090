/** How the bytes of a file lie in a bucket: an object for each part that came, and one that says what the whole is. */
import { createHash } from "node:crypto";

/** The object of a file that says which parts it is made of. It is written once all of them are there. */
export const WHOLE = "whole";

/** An object that is never changed: its name says what is in it, where that belongs, and what it lies upon. */
export interface PartName {
  name: string;
  /** Among the parts of its file: a later one lies upon those before. */
  turn: number;
  offset: number;
  length: number;
  /** Of its bytes: the beginning of their SHA-256 in hex. */
  digest: string;
}

/** A run of bytes of a file, as a part has them. */
export interface Run {
  part: PartName;
  /** In the file. */
  start: number;
  end: number;
}

export function digestOf(bytes: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of bytes) hash.update(piece);
  return hash.digest("hex").slice(0, 32);
}

export function partName({ turn, offset, length, digest }: Omit<PartName, "name">): string {
  return `${String(turn).padStart(6, "0")}-${offset}-${length}-${digest}`;
}

/** @returns undefined if a name is that of no part */
export function parsePart(name: string): PartName | undefined {
  const [, turn, offset, length, digest = ""] = /^(\d{6})-(\d{1,15})-(\d{1,8})-([0-9a-f]{32})$/.exec(name) ?? [];
  if (turn === undefined || Number(length) === 0) return undefined;
  return { name, turn: Number(turn), offset: Number(offset), length: Number(length), digest };
}

/** The runs of which a file is made from its beginning up to the first byte that is not there, in their order. */
export function runsOf(parts: readonly PartName[]): Run[] {
  let runs: Run[] = [];
  const ordered = parts.toSorted((one, other) => one.turn - other.turn || (one.name < other.name ? -1 : 1));
  for (const part of ordered) {
    const [start, end] = [part.offset, part.offset + part.length];
    runs = [
      ...runs.flatMap((run) => [
        ...(run.start < start ? [{ ...run, end: Math.min(run.end, start) }] : []),
        ...(run.end > end ? [{ ...run, start: Math.max(run.start, end) }] : []),
      ]),
      { part, start, end },
    ];
  }
  runs.sort((one, other) => one.start - other.start);
  let at = 0;
  const gap = runs.findIndex(({ start, end }) => {
    if (start !== at) return true;
    at = end;
    return false;
  });
  return gap === -1 ? runs : runs.slice(0, gap);
}

/** Bytes from the beginning. */
export function endOf(runs: readonly Run[]): number {
  return runs.at(-1)?.end ?? 0;
}

/** What the object {@link WHOLE} says. */
export function writeWholeOf(runs: readonly Run[]): string {
  return runs.map(({ part, start, end }) => `${part.name} ${start} ${end}\n`).join("");
}

/** @throws if it says something else than {@link writeWholeOf} */
export function readWholeOf(text: string): Run[] {
  const lines = text.split("\n").slice(0, -1);
  const runs = lines.map((line) => {
    const [name = "", start, end] = line.split(" ");
    return { part: parsePart(name), start: Number(start), end: Number(end) };
  });
  let at = 0;
  for (const { part, start, end } of runs) {
    const isIn =
      part !== undefined && start === at && end > start && start >= part.offset && end <= part.offset + part.length;
    if (!isIn) throw new Error("a bucket has a file whose parts are no file");
    at = end;
  }
  return runs as Run[];
}
