import { expect, test } from "vitest";
import { BoundedMap } from "../src/store/bounded-map.ts";

test("what is remembered is bounded by how many values there are, or by what they weigh", () => {
  const plain = new BoundedMap<number, number>();
  for (let key = 0; key < 20_001; key++) plain.set(key, key);
  expect(plain.size).toBe(1);
  const weighed = new BoundedMap<number, number>((weight) => weight);
  for (let count = 0; count < 10; count++) weighed.set(1, 9_000);
  weighed.set(2, 11_000);
  expect([...weighed.keys()]).toEqual([1, 2]);
  weighed.delete(1);
  weighed.set(3, 9_000);
  weighed.set(4, 1);
  expect([...weighed.keys()]).toEqual([4]);
});
