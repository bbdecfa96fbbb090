import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  equal,
  fromBase64,
  fromUint64,
  fromUtf8,
  isBase64,
  lengthPrefixed,
  splitLengthPrefixed,
  toBase32,
  toBase64,
  utf8,
} from "../../src/protocol/index.ts";

const lists = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 });

describe("the encoding of what is signed or hashed", () => {
  it("is read back as the same fields", () => {
    fc.assert(
      fc.property(lists, (fields) => {
        expect(splitLengthPrefixed(lengthPrefixed(...fields))).toEqual(fields);
      }),
    );
  });

  it("is shared by no two lists of fields", () => {
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const same = a.length === b.length && a.every((field, index) => equal(field, b[index]!));
        expect(equal(lengthPrefixed(...a), lengthPrefixed(...b))).toBe(same);
      }),
      {
        examples: [
          [
            [utf8("ab"), utf8("c")],
            [utf8("a"), utf8("bc")],
          ],
          [[], [utf8("")]],
          [[utf8("")], [utf8(""), utf8("")]],
        ],
      },
    );
  });

  it("of any other bytes than a list is refused, and none are read in two ways", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const fields = splitLengthPrefixed(bytes);
        if (fields !== undefined) expect(lengthPrefixed(...fields)).toEqual(bytes);
      }),
    );
    for (const bytes of [[0], [0, 0, 0, 1], [0, 0, 0, 1, 5, 0], [255, 255, 255, 255, 1]])
      expect(splitLengthPrefixed(Uint8Array.from(bytes))).toBeUndefined();
  });

  it("has texts in UTF-8 and numbers in 8 bytes", () => {
    expect(lengthPrefixed("\u{e9}")).toEqual(Uint8Array.of(0, 0, 0, 2, 0xc3, 0xa9));
    expect(lengthPrefixed(258)).toEqual(Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2));
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (number) => {
        expect(fromUint64(splitLengthPrefixed(lengthPrefixed(number))![0]!)).toBe(number);
      }),
    );
    expect(fromUint64(new Uint8Array(8).fill(255))).toBeUndefined();
    expect(fromUint64(new Uint8Array(7))).toBeUndefined();
  });
});

describe("text forms of bytes", () => {
  it("base64 comes back, with and without Buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = toBase64(bytes);
        expect(text).toBe(btoa(String.fromCharCode(...bytes)));
        expect(isBase64(text)).toBe(true);
        expect(fromBase64(text)).toEqual(bytes);
      }),
    );
  });

  it.each(["A", "AA", "AAA", "A===", "====", "AA=A", "AAA\n", "AA-_", " AAAA", "AAAA AAAA"])(
    "%j is no base64",
    (text) => {
      expect(isBase64(text)).toBe(false);
    },
  );

  // RFC 4648, section 10, without padding.
  it.each([
    ["", ""],
    ["f", "MY"],
    ["fo", "MZXQ"],
    ["foo", "MZXW6"],
    ["foob", "MZXW6YQ"],
    ["fooba", "MZXW6YTB"],
    ["foobar", "MZXW6YTBOI"],
  ])("base32 of %j is %j", (text, encoded) => {
    expect(toBase32(utf8(text))).toBe(encoded);
  });

  it("UTF-8 that is not valid is undefined, and a byte order mark is kept", () => {
    expect(fromUtf8(Uint8Array.of(0xc3, 0x28))).toBeUndefined();
    expect(fromUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined();
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
      { examples: [["\u{feff}text"]] },
    );
  });
});
