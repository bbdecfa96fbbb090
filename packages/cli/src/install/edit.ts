/** Changes to a text of somebody else's: small ones, at known places, each of which can be taken back. */

/** At a place (UTF-16 code units) one text takes the place of another. */
export interface Edit {
  at: number;
  removed: string;
  inserted: string;
}

/** A file that cannot be changed as it is. */
export class UneditableError extends Error {
  override name = "UneditableError";
  /** Where it is so, from 1; undefined if it is so as a whole. */
  readonly line: number | undefined;
  constructor(message: string, line?: number) {
    super(message);
    this.line = line;
  }
}

export function insertion(at: number, inserted: string): Edit {
  return { at, removed: "", inserted };
}

/** Applies edits, each to what those before it have made. */
export function apply(text: string, edits: readonly Edit[]): string {
  let changed = text;
  for (const { at, removed, inserted } of edits)
    changed = changed.slice(0, at) + inserted + changed.slice(at + removed.length);
  return changed;
}

/** Edits that take others back. */
export function inverse(edits: readonly Edit[]): Edit[] {
  return edits.toReversed().map(({ at, removed, inserted }) => ({ at, removed: inserted, inserted: removed }));
}

/** The line of a place, from 1. */
export function lineAt(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

/** How a text ends its lines. */
export function lineEnd(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

/** The beginning of the line of a place. */
export function lineStart(text: string, at: number): number {
  return text.lastIndexOf("\n", at - 1) + 1;
}

/** The whitespace that the line of a place begins with. */
export function indentAt(text: string, at: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, at)))?.[0] ?? "";
}

/** Lines that go and come from a text to another, for people. */
export function show(before: string, after: string): string[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  const first = commonLines(old, fresh);
  const last = commonLines(old.slice(first).toReversed(), fresh.slice(first).toReversed());
  const lines: string[] = [];
  let next = first;
  // Where lines are only put in, as usual, each old one is found again.
  for (const line of old.slice(first, old.length - last)) {
    const found = fresh.slice(0, fresh.length - last).indexOf(line, next);
    if (found < 0) lines.push(`- ${line}`);
    else {
      lines.push(...fresh.slice(next, found).map((each) => `+ ${each}`));
      next = found + 1;
    }
  }
  return [...lines, ...fresh.slice(next, fresh.length - last).map((each) => `+ ${each}`)];
}

/** How many lines two texts begin with alike. */
function commonLines(one: readonly string[], other: readonly string[]): number {
  const differs = one.findIndex((line, at) => line !== other[at]);
  return differs < 0 ? one.length : differs;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
}
