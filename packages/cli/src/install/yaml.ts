/** YAML, into which lines are put where they belong: what is there is not written again. */
import { isDeepStrictEqual } from "node:util";
import { type Document, isMap, isScalar, isSeq, type Pair, parseDocument, type YAMLMap, type YAMLSeq } from "yaml";
import { apply, type Edit, insertion, lineAt, lineEnd, lineStart, UneditableError } from "./edit.ts";
import { at, type Entry, type Format, isObject, wrapped } from "./format.ts";

export const yaml: Format = {
  parse: (text) => valueOf(documentOf(text)),
  insert(text, entry) {
    const edits = insertInto(text, documentOf(text), entry);
    const before = valueOf(documentOf(text)) ?? {};
    confirm(apply(text, edits), withEntry(before, entry), entry);
    return edits;
  },
  remove(text, entry) {
    const edits: Edit[] = [];
    for (;;) {
      const now = apply(text, edits);
      const ours = find(documentOf(now), entry);
      if (ours === undefined) break;
      edits.push(...withoutLines(now, ours));
    }
    confirm(apply(text, edits), withoutEntry(valueOf(documentOf(text)), entry), entry);
    return edits;
  },
  removeEmpty(text, path) {
    const document = documentOf(text);
    const pair = pairAt(document, path);
    return pair !== undefined && isEmpty(at(valueOf(document), path)) ? withoutLines(text, rangeOf(pair)) : [];
  },
};

type Range = [from: number, to: number];

/** @throws UneditableError if the text would say anything else then */
function confirm(text: string, expected: unknown, { path }: Entry): void {
  try {
    if (isDeepStrictEqual(withoutEmpty(valueOf(documentOf(text))), withoutEmpty(expected))) return;
  } catch (error) {
    if (!(error instanceof UneditableError)) throw error;
  }
  throw new UneditableError(`"${path[0]}" is written there in a way that cannot be edited; do it by hand`);
}

function documentOf(text: string): Document.Parsed {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    const [message = ""] = error.message.split(" at line ");
    throw new UneditableError(`it is no YAML of one document: ${message}`, error.linePos?.[0].line);
  }
  if (document.contents !== null && !isMap(document.contents) && !isBlank(document))
    throw new UneditableError("it is no YAML mapping", 1);
  return document;
}

function isBlank({ contents }: Document.Parsed): boolean {
  return isScalar(contents) && contents.value === null;
}

function valueOf(document: Document.Parsed): unknown {
  return (document.toJS() as unknown) ?? undefined;
}

function pairAt(document: Document.Parsed, path: readonly string[]): Pair | undefined {
  let node: unknown = document.contents;
  let pair: Pair | undefined;
  for (const key of path) {
    if (!isMap(node)) return undefined;
    pair = node.items.find((each) => isScalar(each.key) && each.key.value === key);
    node = pair?.value;
  }
  return pair;
}

function insertInto(text: string, document: Document.Parsed, entry: Entry): Edit[] {
  const { path } = entry;
  let depth = path.length;
  let pair: Pair | undefined;
  while (depth > 0 && (pair = pairAt(document, path.slice(0, depth))) === undefined) depth -= 1;
  const end = lineEnd(text);
  const isElement = depth === path.length;
  const value = isElement ? [entry.value] : wrapped(entry, depth);
  if (pair === undefined) {
    const column = isMap(document.contents) ? columnOf(text, firstOf(document.contents) ?? 0) : 0;
    const before = text === "" || text.endsWith("\n") ? "" : end;
    return [insertion(text.length, before + lines(value, column).join(end) + end)];
  }
  const node = pair.value as YAMLMap | YAMLSeq | null;
  const [from = 0, keyEnd = 0] = (pair.key as { range?: [number, number, number] }).range ?? [];
  const wanted = isElement ? isSeq(node) : isMap(node);
  const isNothing = isScalar(node) && node.value === null && node.source === "";
  if (!wanted && !isNothing)
    throw new UneditableError(
      `"${path.slice(0, depth).join(".")}" is no ${isElement ? "list" : "mapping"}`,
      lineAt(text, from),
    );
  if (wanted && node?.flow === true) {
    const open = (node.range?.[0] ?? 0) + 1;
    const json = JSON.stringify(value);
    return [insertion(open, json.slice(1, -1) + (node.items.length > 0 ? ", " : ""))];
  }
  const first = wanted ? firstOf(node) : undefined;
  const column = first === undefined ? columnOf(text, from) + 2 : columnOf(text, first);
  const newline = text.indexOf("\n", keyEnd);
  const added = lines(value, column).join(end);
  return newline < 0 ? [insertion(text.length, end + added)] : [insertion(newline + 1, added + end)];
}

/** Where the first member of a mapping, or the dash of the first element of a list, stands. */
function firstOf(node: YAMLMap | YAMLSeq | null): number | undefined {
  return node === null || node.items.length === 0 ? undefined : node.range?.[0];
}

function columnOf(text: string, at: number): number {
  return at - lineStart(text, at);
}

/** A value as lines; strings as in JSON, which YAML takes. */
function lines(value: unknown, column: number): string[] {
  const indent = " ".repeat(column);
  if (Array.isArray(value))
    return value.flatMap((each) => {
      const [first = "", ...more] = lines(each, column + 2);
      return [`${indent}- ${first.trimStart()}`, ...more];
    });
  if (!isObject(value)) return [indent + JSON.stringify(value)];
  return Object.entries(value).flatMap(([key, each]) => {
    const inline = !isObject(each) && !(Array.isArray(each) && each.some(isObject));
    if (inline) return [`${indent}${key}: ${JSON.stringify(each).replaceAll('","', '", "')}`];
    return [[`${indent}${key}:`], lines(each, column + 2)].flat();
  });
}

/** Where ours stands. */
function find(document: Document.Parsed, { path, kind, isOurs }: Entry): Range | undefined {
  const pair = pairAt(document, path);
  const node = pair?.value;
  if (pair === undefined || kind === "setting") return undefined;
  const js = (each: unknown): unknown =>
    (each as { toJS?: (document: Document.Parsed) => unknown } | null)?.toJS?.(document);
  if (kind === "member") return isOurs(js(node)) ? rangeOf(pair) : undefined;
  if (!isSeq(node)) return undefined;
  const element = node.items.find((each) => isOurs(js(each))) as { range?: [number, number, number] } | undefined;
  return element?.range === undefined ? undefined : [element.range[0], element.range[1]];
}

function rangeOf({ key, value }: Pair): Range {
  const [from = 0, keyEnd = 0] = (key as { range?: [number, number, number] }).range ?? [];
  const range = (value as { range?: [number, number, number] } | null)?.range;
  return [from, range === undefined || range === null ? keyEnd : Math.max(keyEnd, range[1])];
}

/** Takes out whole lines, or, between brackets, what stands there with its comma. */
function withoutLines(text: string, [from, to]: Range): Edit[] {
  const start = lineStart(text, from);
  const content = text.slice(from, to).trimEnd();
  const newline = text.indexOf("\n", from + content.length);
  const end = newline < 0 ? text.length : newline + 1;
  const whole = /^[ \t]*(- )?$/.test(text.slice(start, from)) && text.slice(from + content.length, end).trim() === "";
  if (whole) return [{ at: start, removed: text.slice(start, end), inserted: "" }];
  const after = /^\s*,\s*/.exec(text.slice(from + content.length))?.[0].length ?? 0;
  const before = after > 0 ? 0 : (/,\s*$/.exec(text.slice(0, from))?.[0].length ?? 0);
  return [{ at: from - before, removed: text.slice(from - before, from + content.length + after), inserted: "" }];
}

function withEntry(value: unknown, { path, kind, value: own }: Entry): unknown {
  const whole = structuredClone(value) as Record<string, unknown>;
  let into = whole;
  const [last = "", ...way] = path.toReversed();
  for (const key of way.toReversed()) into = (into[key] ??= {}) as Record<string, unknown>;
  if (kind === "element") into[last] = [own, ...((into[last] ?? []) as unknown[])];
  else into[last] = own;
  return whole;
}

function withoutEntry(value: unknown, { path, kind, isOurs }: Entry): unknown {
  const whole = structuredClone(value);
  const [last = "", ...way] = path.toReversed();
  const into = at(whole, way.toReversed());
  if (!isObject(into) || kind === "setting") return whole;
  if (kind === "element") {
    if (Array.isArray(into[last])) into[last] = (into[last] as unknown[]).filter((each) => !isOurs(each));
  } else if (isOurs(into[last])) delete into[last];
  return whole;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
}

/** A mapping whose last member was taken out may be written as nothing. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).map(([key, each]) => [key, withoutEmpty(each)] as const);
  return Object.fromEntries(kept.filter(([, each]) => !isEmpty(each)));
}
