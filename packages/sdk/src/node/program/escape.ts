// C0 and C1 controls, DEL, bidirectional controls, and the line and paragraph separators: what could move a cursor, turn
// text around, or look like the end of a line.
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** A string from outside as one printable line: unsafe characters as `\xNN` or `\u{...}`. */
export function escapeLine(text: string): string {
  return text.replace(UNSAFE, (character) => visible(character.codePointAt(0) ?? 0));
}

/** A message body for a terminal: newline and tab stay; lines after the first are indented, so none can pose as a new message. */
export function escapeBody(text: string): string {
  return text
    .split("\n")
    .map((line) => line.split("\t").map(escapeLine).join("\t"))
    .join("\n    ");
}

/** One line of JSON in which unsafe characters are written `\uXXXX`, so that no reader can split it by mistake. */
export function escapeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function visible(code: number): string {
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}
