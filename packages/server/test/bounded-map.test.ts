import { expect, test } from "vitest";
import { BoundedMap } from "../src/store/bounded-map.ts";

test("a cache that is full forgets everything, and what stands for many fills it as many do", () => {
  const map = new BoundedMap<number, number>((weight) => weight);
  for (let key = 0; key < 19; key++) map.set(key, 1_000);
  // In the place of another, or of one that is gone, it takes no more.
  for (let count = 0; count < 50; count++) map.set(0, 2_000);
  expect(map.size).toBe(19);
  for (let count = 0; count < 50; count++) {
    map.delete(1);
    map.set(1, 1_000);
  }
  expect([map.size, map.get(18)]).toEqual([19, 1_000]);
  map.set(19, 1);
  expect([...map]).toEqual([[19, 1]]);
});
