import * as fc from "fast-check";

/** Which of those that are known, taken modulo how many there are. */
export const pick = fc.nat({ max: 0xffff });

/** One of several, each as often as its weight says. */
export function weighed<T>(...choices: [weight: number, arbitrary: fc.Arbitrary<T>][]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight: Math.round(weight * 100), arbitrary })));
}

/** The common value, and once in so many times a rare one. */
export function mostly<T>(weight: number, common: T, ...rare: T[]): fc.Arbitrary<T> {
  return weighed([weight, fc.constant(common)], [1, fc.constantFrom(...rare)]);
}

/** Values that programs trip over. */
export const odd: fc.Arbitrary<unknown> = weighed<unknown>(
  [
    3,
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -1,
      1,
      1.5,
      -0.1,
      1100.5,
      1e-7,
      2 ** 31,
      2 ** 32 + 0.5,
      2 ** 53,
      2 ** 63,
      1e308,
      5e-324,
      Number.MAX_SAFE_INTEGER,
    ),
  ],
  [
    3,
    fc.constantFrom(
      "",
      "\0",
      "\ud800",
      "x\udfff",
      "\u{1f510}",
      "\u2028",
      "\ufeff",
      "../../x",
      "'; DROP TABLE entries; --",
    ),
  ],
  [2, fc.constantFrom("__proto__", "constructor", "NaN", "Infinity", "-1", "1e9", "0x10", "\u212a", "AAAA", "A===")],
  [
    1,
    fc.constantFrom(
      "a".repeat(64),
      "a".repeat(65),
      "a".repeat(129),
      "ab".repeat(32),
      "AB".repeat(32),
      "A".repeat(16_388),
    ),
  ],
  [
    2,
    fc.constantFrom(
      [],
      {},
      [[]],
      [null],
      [{}],
      { to: {} },
      JSON.parse('{"__proto__":{"to":"x"},"constructor":{"prototype":1}}'),
    ),
  ],
  [
    1,
    fc.constantFrom(
      Array.from({ length: 101 }, () => "AAAA"),
      Array.from({ length: 20_000 }, () => 0),
      Array.from({ length: 1001 }, () => ({ username: "abc", device: "d" })),
    ),
  ],
  [1, fc.string({ unit: "binary", maxLength: 40 })],
  [1, fc.double()],
  [1, fc.jsonValue({ maxDepth: 3 })],
);
