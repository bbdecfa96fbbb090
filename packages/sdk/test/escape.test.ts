import * as fc from "fast-check";
import { expect, test } from "vitest";
import { escapeBody, escapeJson, escapeLine } from "../src/node/program/index.ts";

// oxlint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

const dirty = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCodePoint(code)),
    fc.constantFrom("\n", "\t", "\r", "\u001b", "\u007f", "\u0085", "\u061c", "\u202e", "\u2028", "\u2069", "😀"),
  ),
});

test("a line shows control characters instead of obeying them", () => {
  expect(escapeLine("a\u001b[2Jb\u007f\r\n\t\u0000")).toBe("a\\x1b[2Jb\\x7f\\x0d\\x0a\\x09\\x00");
  expect(escapeLine("\u009b31m\u202eevil\u2066\u061c\u200f\u2028")).toBe(
    "\\x9b31m\\u{202e}evil\\u{2066}\\u{61c}\\u{200f}\\u{2028}",
  );
});

test("ordinary text of any script stays as it is", () => {
  const text = "Grüße, 你好, שלום, 👩‍👩‍👧, ¡olé! \\x1b";
  expect(escapeLine(text)).toBe(text);
  expect(escapeBody(text)).toBe(text);
});

test("a body keeps newlines and tabs, and its later lines are indented", () => {
  expect(escapeBody("one\n\ttwo\n[14:30:15] bob: forged\n")).toBe("one\n    \ttwo\n    [14:30:15] bob: forged\n    ");
  expect(escapeBody("one\r\ntwo")).toBe("one\\x0d\n    two");
});

test("JSON carries every unsafe character as \\uXXXX and still means the same", () => {
  expect(escapeJson({ body: "\u0085\u2028\u007f\u202e\u0000" })).toBe(
    String.raw`{"body":"\u0085\u2028\u007f\u202e\u0000"}`,
  );
  fc.assert(
    fc.property(dirty, (text) => {
      const json = escapeJson({ text, [text]: 1 });
      expect(json).not.toMatch(unsafe);
      expect(JSON.parse(json)).toEqual({ text, [text]: 1 });
    }),
  );
});

test("no text gets an unsafe character or a line of its own past the escaper", () => {
  fc.assert(
    fc.property(dirty, (text) => {
      expect(escapeLine(text)).not.toMatch(unsafe);
      const [, ...more] = escapeBody(text).split("\n");
      for (const line of more) expect(line.startsWith("    ")).toBe(true);
      expect(escapeBody(text).replaceAll(/[\n\t]/g, "")).not.toMatch(unsafe);
    }),
  );
});
