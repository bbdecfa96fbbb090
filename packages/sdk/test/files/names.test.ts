/** Names under which files are saved, whatever their sender has called them. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nameKey, numbered, safeName } from "../../src/files/names.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { seed } from "../random.ts";
import { hostileNames } from "./hostile-names.ts";

const DEVICE = /^(con|prn|aux|nul|(com|lpt)[0-9¹²³]|con(in|out)\$) *(\..*)?$/i;

/** What no name is that is safe on every system. */
function expectSafe(name: string): void {
  expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}<>:"/\\|?*]/u);
  expect(name).not.toMatch(/^[.\-\s]|[.\s]$|^$/);
  expect(name).not.toMatch(DEVICE);
  expect(name).toBe(name.normalize("NFC"));
  expect(utf8(name).length).toBeLessThanOrEqual(200);
}

/** What harm is made of, and letters that come together with others, or are long. */
const PIECES = [
  Array.from("./\\- _~:*$()0129nnn<e"),
  ["con", "NUL", "COM1", "lpt\u00b2", ".tar", ".gz", ".txt", "\0", "\n", "\u202e", "\u200d", "\ufeff", "\u{e0001}"],
  ["\ud800", "\udc00", "\u0301", "\u0338", "\u1100", "\u1161", "\u11a8", "\u0f71", "\u0f72", "\u3099"],
  ["\u{1f4a9}", "\u00df", "\u212a", "\u3000", "x".repeat(90), "\u00e9".repeat(60), " ".repeat(120)],
];
const pieces = fc.constantFrom(...PIECES.flat());
const anyName = fc.oneof(
  fc.array(pieces, { maxLength: 12 }).map((some) => some.join("")),
  fc.string({ unit: "binary", maxLength: 120 }),
);
const check = (property: Parameters<typeof fc.assert>[0]) => fc.assert(property, { seed, numRuns: 5000 });

describe(`the name of a file that is saved; SEED=${seed}`, () => {
  it("has a table of at least 60 that mean harm", () => {
    expect(new Set(hostileNames.map(([given]) => given)).size).toBeGreaterThanOrEqual(60);
  });

  it.each(hostileNames)("%j is %j", (given, saved) => {
    expect(safeName(given)).toBe(saved);
    expect(safeName(saved)).toBe(saved);
    expectSafe(saved);
  });

  it("is safe whatever it was, and stays what it is", () =>
    check(
      fc.property(anyName, (given) => {
        const name = safeName(given);
        expectSafe(name);
        expect(safeName(name)).toBe(name);
      }),
    ));

  it("is found at once, also of a name that is made to take long", () => {
    for (const piece of [" ", ".", " .", "a.", "a ", ".tar", "\u202e"])
      expectSafe(safeName(`a${piece.repeat(200_000)}b`));
  });

  it("is safe with a number, and another one with each", () =>
    check(
      fc.property(anyName, fc.integer({ min: 2, max: 100_000 }), (given, n) => {
        const name = numbered(safeName(given), n);
        expect(name).toContain(`(${n})`);
        expect(utf8(name).length).toBeLessThanOrEqual(200);
        expect(safeName(name)).toBe(name);
      }),
    ));

  it.each([
    ["report.pdf", "report (2).pdf"],
    ["report", "report (2)"],
    ["archive.tar.gz", "archive (2).tar.gz"],
    ["ARCHIVE.TAR.XZ", "ARCHIVE (2).TAR.XZ"],
    ["report (2).pdf", "report (2) (2).pdf"],
    ["v1.2 last notes", "v1.2 last notes (2)"],
    ["tar.gz", "tar (2).gz"],
    [`${"n".repeat(196)}.txt`, `${"n".repeat(192)} (2).txt`],
    ["n".repeat(200), `${"n".repeat(196)} (2)`],
    [`n.${"n".repeat(198)}`, `n.${"n".repeat(194)} (2)`],
  ])("the second %j is %j", (name, second) => {
    expect(numbered(name, 2)).toBe(second);
  });

  it("is the same as another one if they differ in case, or in how they are written", () => {
    for (const [one, other] of [
      ["README", "readme"],
      ["caf\u00e9", "CAFE\u0301"],
      ["stra\u00dfe", "STRASSE"],
      ["\u1e9e", "ss"],
      ["\u03a3\u03a3", "\u03c3\u03c2"],
      ["\u212a", "k"],
    ] as const)
      expect(nameKey(one)).toBe(nameKey(other));
    for (const [one, other] of [
      ["a", "b"],
      ["a.txt", "a_txt"],
      ["e", "\u00e9"],
    ] as const)
      expect(nameKey(one)).not.toBe(nameKey(other));
  });
});
