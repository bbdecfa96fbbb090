/** JSON with comments, edited where it stands. */
import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { apply, type Edit, indentAt, insertion, lineAt, lineEnd, lineStart, UneditableError } from "./edit.ts";
import { type Entry, type Format, wrapped } from "./format.ts";

export const jsonc: Format = {
  parse: (text) => {
    const root = rootOf(text);
    return root === undefined ? undefined : (getNodeValue(root) as unknown);
  },
  insert(text, entry) {
    const root = rootOf(text);
    if (root !== undefined) return insertInto(text, root, entry);
    // Nothing, or comments alone.
    const before = text === "" || text.endsWith("\n") ? "" : lineEnd(text);
    const whole = insertion(text.length, `${before}{}${lineEnd(text)}`);
    const made = apply(text, [whole]);
    return [whole, ...insertInto(made, rootOf(made) as Node, entry)];
  },
  remove(text, entry) {
    const edits: Edit[] = [];
    for (;;) {
      const now = apply(text, edits);
      const ours = find(rootOf(now), entry);
      if (ours === undefined) return edits;
      edits.push(...without(now, ours));
    }
  },
  removeEmpty(text, path) {
    const node = nodeAt(rootOf(text), path);
    return node?.parent !== undefined && node.children?.length === 0 ? without(text, node.parent) : [];
  },
};

/** @throws UneditableError if it is no JSON, or one of its objects names a key twice */
function rootOf(text: string): Node | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const [error] = errors;
  if (error !== undefined) {
    const words = printParseErrorCode(error.error)
      .replace(/(?<=[a-z])(?=[A-Z])/g, " ")
      .toLowerCase();
    throw new UneditableError(`it is no JSON: ${words}`, lineAt(text, error.offset));
  }
  if (root !== undefined && root.type !== "object") throw new UneditableError("it is no JSON object", 1);
  return root;
}

/** The value at a path. @throws UneditableError where a key on the way stands twice */
function nodeAt(root: Node | undefined, path: readonly string[]): Node | undefined {
  let node = root;
  for (const key of path) {
    if (node?.type !== "object") return undefined;
    const members: Node[] = (node.children ?? []).filter(({ children }) => children?.[0]?.value === key);
    if (members.length > 1) throw new UneditableError(`"${key}" stands there twice`);
    node = members[0]?.children?.[1];
  }
  return node;
}

/** The member or element that is ours. */
function find(root: Node | undefined, { path, kind, within, isOurs }: Entry): Node | undefined {
  const node = nodeAt(root, path);
  if (node === undefined || kind === "setting") return undefined;
  if (kind === "member") return isOurs(getNodeValue(node)) ? node.parent : undefined;
  const elements = node.children ?? [];
  const inner = within === undefined ? [] : elements.flatMap((element) => nodeAt(element, [within])?.children ?? []);
  return [...elements, ...inner].find((element) => isOurs(getNodeValue(element)));
}

function insertInto(text: string, root: Node, entry: Entry): Edit[] {
  const { path } = entry;
  let depth = path.length;
  let into: Node | undefined;
  while ((into = nodeAt(root, path.slice(0, depth))) === undefined) depth -= 1;
  const wanted = depth === path.length ? "array" : "object";
  if (into.type !== wanted) {
    const what = depth === 0 ? "it" : `"${path.slice(0, depth).join(".")}"`;
    throw new UneditableError(`${what} is no ${wanted}`, lineAt(text, into.offset));
  }
  const unit = unitOf(text, root);
  const key = path[depth];
  const value = key === undefined ? entry.value : wrapped(entry, depth + 1);
  const written = (key === undefined ? "" : `${JSON.stringify(key)}: `) + JSON.stringify(value, null, unit);
  return addTo(text, into, written, unit);
}

/** Puts a member or element behind the others, and behind their comments, which stay theirs. */
function addTo(text: string, into: Node, written: string, unit: string): Edit[] {
  const close = into.offset + into.length - 1;
  const last = into.children?.at(-1);
  const begin = last === undefined ? into.offset + 1 : last.offset + last.length;
  const { end, comma } = tokensUntil(text, begin, close);
  const newline = lineEnd(text);
  const outer = indentAt(text, into.offset);
  const indent = last !== undefined && startsLine(text, last.offset) ? indentAt(text, last.offset) : outer + unit;
  const lines = written.split("\n").map((line) => indent + line);
  const closed = text.slice(end, close).includes("\n") ? "" : newline + outer;
  const needsComma = last !== undefined && !comma;
  return [
    ...(needsComma ? [insertion(begin, ",")] : []),
    insertion(end + (needsComma ? 1 : 0), newline + lines.join(newline) + closed),
  ];
}

/** Takes a member or an element out, with its comma and the whitespace before it. */
function without(text: string, node: Node): Edit[] {
  const siblings = node.parent?.children ?? [];
  const place = siblings.indexOf(node);
  const end = node.offset + node.length;
  const before = siblings[place - 1];
  const close = (node.parent?.offset ?? 0) + (node.parent?.length ?? 0) - 1;
  const after = tokensUntil(text, end, siblings[place + 1]?.offset ?? close).comma;
  const start = text.slice(0, node.offset).trimEnd().length;
  const commas =
    after ?? (before === undefined ? undefined : tokensUntil(text, before.offset + before.length, node.offset).comma);
  const cut = (from: number, to: number): Edit => ({ at: from, removed: text.slice(from, to), inserted: "" });
  if (commas === undefined) return [cut(start, end)];
  const comma = cut(commas, commas + 1);
  // From the back, so that places stay what they are.
  return commas >= end
    ? [comma, cut(start, end)]
    : commas + 1 === start
      ? [cut(commas, end)]
      : [cut(start, end), comma];
}

/** Whitespace, comments and commas, which may stand between two values. */
const BETWEEN = /(\s+)|\/\/[^\r\n]*|\/\*[^]*?\*\/|(,)/gy;

/** Where what is no whitespace ends between two places, and where a comma stands. */
function tokensUntil(text: string, from: number, until: number): { end: number; comma: number | undefined } {
  BETWEEN.lastIndex = from;
  let end = from;
  let comma: number | undefined;
  for (let found = BETWEEN.exec(text); found !== null && found.index < until; found = BETWEEN.exec(text)) {
    if (found[2] !== undefined) comma ??= found.index;
    if (found[1] === undefined) end = BETWEEN.lastIndex;
  }
  return { end, comma };
}

function startsLine(text: string, at: number): boolean {
  return text.slice(lineStart(text, at), at).trim() === "" && lineStart(text, at) > 0;
}

/** The indentation of one level. */
function unitOf(text: string, root: Node): string {
  const first = root.children?.[0];
  const indent = first !== undefined && startsLine(text, first.offset) ? indentAt(text, first.offset) : "";
  return indent === "" ? "  " : indent;
}
