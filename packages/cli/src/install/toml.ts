/** TOML, to which a table is added behind everything else: what is there is not touched. */
import { isDeepStrictEqual } from "node:util";
import { parse as parseToml, TomlError } from "smol-toml";
import { apply, insertion, lineEnd, UneditableError } from "./edit.ts";
import { type Entry, type Format, isObject } from "./format.ts";

export const toml: Format = {
  parse,
  insert(text, entry) {
    const end = lineEnd(text);
    const before = (text === "" || text.endsWith("\n") ? "" : end) + (text.trim() === "" ? "" : end);
    const edits = [insertion(text.length, before + tableOf(entry).join(end) + end)];
    try {
      parse(apply(text, edits));
    } catch {
      throw new UneditableError(`"${entry.path[0]}" is written there in a way to which no table can be added`);
    }
    return edits;
  },
  remove(text, { path, isOurs }) {
    const value = parse(text);
    const [room = "", key = ""] = path;
    const tables = isObject(value) ? value[room] : undefined;
    if (!isObject(tables) || !isOurs(tables[key])) return [];
    const { [key]: _ours, ...others } = tables;
    const expected = { ...(value as object), [room]: others };
    // A line that looks like the head of a table may stand in a text of several lines, too.
    const found = tablesOf(text, room, key);
    for (const tables of [found, ...found.toReversed().map((table) => [table])]) {
      const edits = tables
        .toReversed()
        .map(([from, to]) => ({ at: from, removed: text.slice(from, to), inserted: "" }));
      if (says(apply(text, edits), expected, room)) return edits;
    }
    throw new UneditableError(
      `[${path.join(".")}] is written there in a way that cannot be taken out; remove it by hand`,
    );
  },
  // A table that holds others alone is not written.
  removeEmpty: () => [],
};

function parse(text: string): unknown {
  try {
    return text.trim() === "" ? undefined : parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [message = ""] = error.message.split("\n");
    throw new UneditableError(`it is no TOML: ${message.replace(/^Invalid TOML document: /, "")}`, error.line);
  }
}

function tableOf({ path, value }: Entry): string[] {
  const keys = Object.entries(value as Record<string, unknown>);
  // Strings, numbers and lists of strings are written as in JSON.
  return [
    `[${path.join(".")}]`,
    ...keys.map(([key, value]) => `${key} = ${JSON.stringify(value).replaceAll('","', '", "')}`),
  ];
}

function says(text: string, expected: unknown, room: string): boolean {
  try {
    return isDeepStrictEqual(plain(parse(text), room), plain(expected, room));
  } catch {
    return false;
  }
}

/** Where a table and those below it stand, each with the empty line before it. What stands before the next one is that one's. */
function tablesOf(text: string, room: string, key: string): [from: number, to: number][] {
  const lines = text.split(/(?<=\n)/);
  const header = new RegExp(String.raw`^\s*\[\s*["']?${room}["']?\s*\.\s*["']?${key}["']?\s*[\].]`);
  const tables: [from: number, to: number][] = [];
  let offset = 0;
  for (const [at, line] of lines.entries()) {
    if (header.test(line)) {
      let [to, end] = [offset + line.length, offset + line.length];
      for (const next of lines.slice(at + 1)) {
        if (/^\s*\[/.test(next)) break;
        end += next.length;
        if (!/^\s*(#.*)?$/.test(next.trimEnd())) to = end;
      }
      const blank = /^\r?\n$/.test(lines[at - 1] ?? "") ? (lines[at - 1]?.length ?? 0) : 0;
      tables.push([offset - blank, to]);
    }
    offset += line.length;
  }
  return tables;
}

/** Without prototypes, and with a room whether it is written or not. */
function plain(value: unknown, room: string): unknown {
  return JSON.parse(
    JSON.stringify({ [room]: {}, ...(value as object | undefined) }, (_, each: unknown) =>
      typeof each === "bigint" ? `${each}n` : each,
    ),
  );
}
