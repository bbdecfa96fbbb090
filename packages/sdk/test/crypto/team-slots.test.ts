import { describe, expect, test } from "vitest";
import { nextHealing, slotLength } from "../../src/crypto/team/slots.ts";

const HOUR = 3_600_000;

describe("the slots in which members of a team give themselves new keys", () => {
  test("make a round of a day up to 64 members, of eleven days at 1,000, and of a tenth of that in the first round", () => {
    expect(slotLength(2, false) * 2).toBe(24 * HOUR);
    expect(slotLength(64, false) * 64).toBe(24 * HOUR);
    expect((slotLength(1024, false) * 1024) / (24 * HOUR)).toBeCloseTo(10.67, 1);
    expect(slotLength(1024, true)).toBe(slotLength(1024, false) / 10);
  });

  test.each([1, 2, 8, 64, 1024])("each of %i leaves has one slot of a round, and no two the same", (width) => {
    const length = slotLength(width, false);
    const now = 1_795_986_000_000;
    const slots = Array.from({ length: width }, (_, leaf) => {
      const at = nextHealing({ leaf, width }, now, length, 0.5);
      expect(at).toBeGreaterThan(now);
      expect(at).toBeLessThanOrEqual(now + (width + 1) * length);
      // In the round after it comes at the same place.
      expect(nextHealing({ leaf, width }, at, length, 0.5) - at).toBe(width * length);
      return Math.floor(at / length) % width;
    });
    expect(new Set(slots).size).toBe(width);
  });

  test("are far from each other for leaves that stand together", () => {
    const slots = Array.from({ length: 8 }, (_, leaf) => nextHealing({ leaf, width: 8 }, 0, 1000, 0) / 1000);
    expect(slots.map((slot) => slot % 8)).toEqual([0, 4, 2, 6, 1, 5, 3, 7]);
  });
});
