/** Texts of others as a model is given them. */
import { escapeText } from "@aimessage/sdk/program";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { costOf, fence, partOf } from "../../src/doors/mcp/fence.ts";
import { inside } from "./assistant.ts";

const text = fc.string({ unit: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\n", "\t", "\u202e", "😀")) });

test("a fence holds the text with all that is hidden in it shown, between words that are new each time", () => {
  fc.assert(
    fc.property(text, (whole) => {
      const [one, other] = [fence(whole), fence(whole)];
      expect([inside(one), inside(other)]).toEqual([escapeText(whole), escapeText(whole)]);
      expect(one.slice(0, 14)).not.toBe(other.slice(0, 14));
    }),
  );
});

test("parts of a text are whole characters, together all of it, and each within its budget", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 20, max: 60 }), (whole, tokens) => {
      for (let offset: number | undefined = 0; offset !== undefined;) {
        const { shown, next } = partOf(whole, offset, tokens);
        expect(costOf(shown)).toBeLessThanOrEqual(tokens);
        expect(inside(shown)).toBe(escapeText(whole.slice(offset, next)));
        expect(whole.slice(offset, next).isWellFormed()).toBe(true);
        if (next !== undefined) expect(next).toBeGreaterThan(offset);
        offset = next;
      }
    }),
  );
});
