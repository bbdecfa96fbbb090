/** Puts what is ours into files of others, and takes it out again. */
import { isDeepStrictEqual } from "node:util";
import { asUsageError } from "../files.ts";
import { apply, type Edit, inverse, lineEnd, show, UneditableError } from "./edit.ts";
import { at, type Entry, type Format, isObject } from "./format.ts";
import type { Wanted } from "./hosts.ts";
import { digest, type InstallRecord, type Written } from "./record.ts";
import { foldersFor, marked, readTarget, removeFolders, removeTarget, type Target, writeTarget } from "./target.ts";

/** A file's change, before it is made. */
export interface Change {
  /** As its host names it. */
  path: string;
  kind: "create" | "change" | "remove" | "none";
  /** Lines that go and come. */
  lines: string[];
  /** Something of ours that stays, and why. */
  note?: string;
  write(mode: number): void;
}

/** The change that `install` would make to a file. @throws UneditableError, which names it */
export function installing(wanted: Wanted, record: InstallRecord): Promise<Change> {
  return named(wanted.path, async () => {
    const target = readTarget(wanted.path, wanted.within);
    if (wanted.format === "whole") return wholeFile(wanted.path, wanted.text, target, record);
    const text = target.text ?? "";
    const before = await restored(wanted, target, record);
    const format = await formatOf(wanted.format);
    const { mark, rest } = marked(text);
    if (holds(format, rest, wanted.entries)) return unchanged(wanted.path);
    const edits: Edit[] = [];
    const made: string[][] = [];
    const base = marked(before.text).rest;
    for (const entry of wanted.entries) {
      const now = apply(base, edits);
      const value = format.parse(now);
      const there = at(value, entry.path);
      if (there !== undefined && entry.kind === "setting") continue;
      if (there !== undefined && entry.kind === "member")
        throw new UneditableError(
          `"${entry.path.join(".")}" is there, and is not as install writes it; remove or rename it`,
        );
      const leading = entry.kind === "element" ? entry.path.length : entry.path.length - 1;
      for (let depth = 1; depth <= leading; depth++) {
        const path = entry.path.slice(0, depth);
        if (at(value, path) === undefined) made.push(path);
      }
      edits.push(...format.insert(now, entry));
    }
    const after = mark + apply(base, edits);
    if (!holds(format, marked(after).rest, wanted.entries)) throw new UneditableError("it cannot be edited");
    const moved = shifted(edits, mark.length);
    return {
      path: wanted.path,
      kind: target.text === undefined ? "create" : "change",
      lines: show(text, after),
      write: (mode) => {
        const isNew = target.text === undefined;
        const about = isNew
          ? { created: true, folders: foldersFor(target) }
          : { created: false, folders: [], ...before.about };
        const written = { after: digest(after), edits: moved, made, ...about };
        record.keep(target.path, written, () => writeTarget(target, after, mode));
      },
    };
  });
}

/** The change that `uninstall` would make to a file. @throws UneditableError, which names it */
export function uninstalling(wanted: Wanted, record: InstallRecord): Promise<Change> {
  return named(wanted.path, async () => {
    const target = readTarget(wanted.path, wanted.within);
    const { text } = target;
    const known = record.of(target.path);
    if (text === undefined)
      return {
        ...unchanged(wanted.path),
        write: () => record.keep(target.path, undefined, () => removeFolders(target, known?.folders ?? [])),
      };
    const before = await restored(wanted, target, record);
    const kept =
      wanted.format === "whole"
        ? known !== undefined && !before.empty && "it was changed, and stays"
        : await likeOurs(wanted, before.text);
    const note = kept === false ? {} : { note: kept };
    if (before.edits.length === 0 && before.text === text && !before.empty)
      return { ...unchanged(wanted.path), ...note };
    return {
      path: wanted.path,
      kind: before.empty ? "remove" : "change",
      lines: show(text, before.empty ? "" : before.text),
      ...note,
      write: (mode) =>
        record.keep(target.path, undefined, () => {
          if (before.empty) removeTarget(target, before.about?.folders ?? []);
          else writeTarget(target, before.text, mode);
        }),
    };
  });
}

/** A file without what is ours. */
interface Restored {
  text: string;
  edits: Edit[];
  /** It was not there before us, and nothing of anybody else's is in it. */
  empty: boolean;
  /** How it came to be there, as far as that is known. */
  about: Pick<Written, "created" | "folders"> | undefined;
}

async function restored(wanted: Wanted, { path, text = "" }: Target, record: InstallRecord): Promise<Restored> {
  const known = record.of(path);
  const untouched = record.untouched(path, text);
  const about = known && { created: known.created, folders: known.folders };
  if (wanted.format === "whole") {
    const isOurs = untouched !== undefined || (known === undefined && text === wanted.text);
    return { text, edits: [], empty: isOurs, about };
  }
  const format = await formatOf(wanted.format);
  const edits =
    untouched === undefined ? withoutOurs(format, text, wanted.entries, known?.made ?? []) : inverse(untouched.edits);
  const left = apply(text, edits);
  const value = format.parse(marked(left).rest);
  const isNothing =
    value === undefined || (isObject(value) && Object.keys(value).every((key) => isSetting(wanted.entries, key)));
  return { text: left, edits, empty: edits.length > 0 && known?.created === true && isNothing, about };
}

/** Edits that take ours out of a text that others have changed. */
function withoutOurs(format: Format, text: string, entries: readonly Entry[], made: Written["made"]): Edit[] {
  const { mark, rest } = marked(text);
  const edits: Edit[] = [];
  for (const entry of entries) if (entry.kind !== "setting") edits.push(...format.remove(apply(rest, edits), entry));
  // Inner ones first; where nothing was ours, what is empty is somebody else's.
  for (const path of edits.length === 0 ? [] : made.toSorted((a, b) => b.length - a.length))
    edits.push(...format.removeEmpty(apply(rest, edits), path));
  return shifted(edits, mark.length);
}

/** Says which member of our name stays, since it is the user's now, or was always. */
async function likeOurs(wanted: Exclude<Wanted, { format: "whole" }>, text: string): Promise<string | false> {
  const value = (await formatOf(wanted.format)).parse(marked(text).rest);
  const kept = wanted.entries.find(({ kind, path }) => kind === "member" && at(value, path) !== undefined);
  return kept !== undefined && `"${kept.path.join(".")}" is not as install writes it, and stays`;
}

/** The same edits of a text that has so much more before it. */
function shifted(edits: readonly Edit[], by: number): Edit[] {
  return edits.map(({ at, removed, inserted }) => ({ at: at + by, removed, inserted }));
}

function isSetting(entries: readonly Entry[], key: string): boolean {
  return entries.some(({ kind, path }) => kind === "setting" && path[0] === key);
}

/** Values of ours where an entry belongs. */
function found(value: unknown, { path, kind, within, isOurs }: Entry): unknown[] {
  const there = at(value, path);
  if (kind !== "element") return isOurs(there) ? [there] : [];
  const elements: unknown[] = Array.isArray(there) ? there : [];
  const inner = within === undefined ? [] : elements.flatMap((each) => (isOurs(each) ? [] : at(each, [within])));
  return [...elements, ...inner].filter(isOurs);
}

/** Whether a text has all entries, as they are meant, and nothing else of ours in their places. */
function holds(format: Format, text: string, entries: readonly Entry[]): boolean {
  const value = format.parse(text);
  return entries.every((entry) => {
    if (entry.kind === "setting") return at(value, entry.path) !== undefined;
    const there = found(value, entry).map((each) => (entry.kind === "member" ? likewise(each, entry.value) : each));
    return isDeepStrictEqual(plain(there), plain([entry.value]));
  });
}

/** As much of a member as is ours to say: what its user has added to it, as variables, stays. */
function likewise(there: unknown, own: unknown): unknown {
  if (!isObject(there) || !isObject(own)) return there;
  return Object.fromEntries(Object.keys(own).map((key) => [key, there[key]]));
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** A file that is ours as a whole: one that somebody has changed stays. */
function wholeFile(path: string, text: string, target: Target, record: InstallRecord): Change {
  const content = text.replaceAll("\n", lineEnd(target.text ?? ""));
  if (target.text === content) return unchanged(path);
  const isOurs = target.text === undefined || record.untouched(target.path, target.text) !== undefined;
  if (!isOurs) return { ...unchanged(path), note: "it is there, and was not written by this install; it stays" };
  return {
    path,
    kind: target.text === undefined ? "create" : "change",
    lines: show(target.text ?? "", content),
    write: (mode) => {
      const folders = target.text === undefined ? foldersFor(target) : (record.of(target.path)?.folders ?? []);
      const written = { after: digest(content), edits: [], made: [], created: true, folders };
      record.keep(target.path, written, () => writeTarget(target, content, mode));
    },
  };
}

function unchanged(path: string): Change {
  return { path, kind: "none", lines: [], write: () => undefined };
}

/** Loaded where it is needed: a parser each. */
async function formatOf(format: "jsonc" | "toml" | "yaml"): Promise<Format> {
  if (format === "jsonc") return (await import("./jsonc.ts")).jsonc;
  if (format === "toml") return (await import("./toml.ts")).toml;
  return (await import("./yaml.ts")).yaml;
}

async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UneditableError)) throw asUsageError(error, "read", path);
    const where = error.line === undefined ? path : `${path}, line ${error.line}`;
    throw new UneditableError(`${where}: ${error.message}`);
  }
}
