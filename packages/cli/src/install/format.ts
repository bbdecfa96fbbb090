import type { Edit } from "./edit.ts";

/** Something of ours in a file of a host's: a member of an object or an element of an array, and whose it is. */
export interface Entry {
  /** The keys on the way to it, and, of a member, its own. */
  path: readonly string[];
  value: unknown;
  /**
   * member: `value` stands at `path`. element: it stands in the array at `path`. setting: the host needs it there, and whatever is there
   * already will do.
   */
  kind: "member" | "element" | "setting";
  /** Of an element that is a group: where its own elements stand, of which somebody else's group may have got ours. */
  within?: string;
  /** Whether something that is there is ours, perhaps of another agent or an earlier version. */
  isOurs: (value: unknown) => boolean;
}

/** How a file is written. */
export interface Format {
  /** A text's value; undefined if it has none. @throws UneditableError */
  parse(text: string): unknown;
  /** Edits that put an entry into a text that has none of ours there. @throws UneditableError */
  insert(text: string, entry: Entry): Edit[];
  /** Edits that take all that is ours out of the place of an entry, whatever else was changed. @throws UneditableError */
  remove(text: string, entry: Entry): Edit[];
  /** Edits that take an empty object or list out; none if it is not empty. */
  removeEmpty(text: string, path: readonly string[]): Edit[];
}

/** The value at a path; undefined if none is there. */
export function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (!isObject(found) || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value of an entry with what leads to it, from a depth on: `{Stop: [...]}` for `hooks.Stop` from 1. */
export function wrapped({ path, kind, value }: Entry, depth: number): unknown {
  const whole: unknown = kind === "element" ? [value] : value;
  return path.slice(depth).reduceRight((inner: unknown, key) => ({ [key]: inner }), whole);
}
