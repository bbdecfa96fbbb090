import * as fc from "fast-check";
import { expect, test } from "vitest";
import { escapeBody, escapeJson, escapeLine } from "../../src/node/program/index.ts";

// Control, format and unassigned characters, half surrogates, separators, and all that may be drawn as nothing.
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/v;

const dirty = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
    fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCodePoint(code)),
    fc.constantFrom(
      "\u200b",
      "\u200d",
      "\ufe0f",
      "\ufeff",
      "\u00ad",
      "\u034f",
      "\u3164",
      "\u{e0041}",
      "\u{e01ef}",
      "\ud83d",
    ),
    fc.constantFrom("\n", "\t", "\r", "\u001b", "\u007f", "\u0085", "\u061c", "\u202e", "\u2028", "\u2069", "😀"),
  ),
});

/** Unicode's list of emoji in general use, which have joiners and selectors, is closed: nothing can hide there. (UTS #51) */
const withoutEmoji = (text: string) => text.replaceAll(/\p{RGI_Emoji}/gv, "");

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

test.each([
  ["a tag", "\u{e0001}a\u{e0041}\u{e007f}", "\\u{e0001}a\\u{e0041}\\u{e007f}"],
  ["a zero-width space, a joiner, a non-joiner", "a\u200bb\u200dc\u200cd", "a\\u{200b}b\\u{200d}c\\u{200c}d"],
  ["a byte-order mark and a word joiner", "\ufeffa\u2060", "\\u{feff}a\\u{2060}"],
  ["a variation selector behind what is no emoji", "\u2605\ufe0f1\ufe0f", "\u2605\\u{fe0f}1\\u{fe0f}"],
  ["a variation selector", "a\ufe0fb\u{e0100}", "a\\u{fe0f}b\\u{e0100}"],
  ["a soft hyphen and a grapheme joiner", "a\u00adb\u034fc", "a\\xadb\\u{34f}c"],
  ["a Hangul filler", "\u115f\u1160\u3164\uffa0", "\\u{115f}\\u{1160}\\u{3164}\\u{ffa0}"],
  ["an invisible operator", "f\u2061x\u2064", "f\\u{2061}x\\u{2064}"],
  ["half a surrogate pair", "a\ud83db", "a\\u{d83d}b"],
  ["what is no character", "\uffff\u{10ffff}", "\\u{ffff}\\u{10ffff}"],
  ["an emoji's joiner where no emoji is", "\u{1f469}\u200dx\u200d\u{1f469}", "\u{1f469}\\u{200d}x\\u{200d}\u{1f469}"],
  [
    "a flag's tags that name no flag",
    "\u{1f3f4}\u{e0068}\u{e0069}\u{e007f}",
    "\u{1f3f4}\\u{e0068}\\u{e0069}\\u{e007f}",
  ],
])("%s is shown", (_what, text, shown) => {
  expect(escapeLine(text)).toBe(shown);
  expect(escapeBody(text)).toBe(shown);
  expect(JSON.parse(escapeJson(text))).toBe(text);
  expect(escapeJson(text)).not.toMatch(unsafe);
});

test.each(["👩‍👩‍👧", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👍🏽", "🇩🇪", "🏳️‍🌈"])(
  "the emoji %s stays whole in text, and is escaped in JSON",
  (emoji) => {
    expect(escapeLine(`a ${emoji}b`)).toBe(`a ${emoji}b`);
    expect(escapeBody(`a ${emoji}\n${emoji}`)).toBe(`a ${emoji}\n    ${emoji}`);
    expect(JSON.parse(escapeJson(emoji))).toBe(emoji);
    expect(escapeJson(emoji)).not.toMatch(unsafe);
  },
);

test("what is escaped is not escaped again", () => {
  fc.assert(
    fc.property(dirty, (text) => {
      expect(escapeLine(escapeLine(text))).toBe(escapeLine(text));
    }),
  );
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
      expect(withoutEmoji(escapeLine(text))).not.toMatch(unsafe);
      const [, ...more] = escapeBody(text).split("\n");
      for (const line of more) expect(line.startsWith("    ")).toBe(true);
      expect(withoutEmoji(escapeBody(text).replaceAll(/[\n\t]/g, " "))).not.toMatch(unsafe);
    }),
  );
});
