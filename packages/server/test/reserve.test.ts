import { linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Reserve } from "../src/store/sqlite/reserve.ts";
import { folder } from "./folder.ts";

const MIB = 2 ** 20;

/** What a relay makes of what it finds. @returns bytes that it holds */
async function held(db: string, bytes: number): Promise<number> {
  {
    await using reserve = new Reserve(db, bytes);
    reserve.look(() => 0);
    // A second look finds it being made.
    reserve.look(() => 0);
    await reserve.made;
  }
  return statSync(join(db, "reserve")).size;
}

test.each([
  ["is not there", 0],
  ["was not written whole", 300_000],
  ["was smaller", 2 * MIB],
  ["was larger", 5 * MIB],
])("the reserve has the size that is asked for, if it %s", async (_, before) => {
  const db = folder();
  if (before > 0) writeFileSync(join(db, "reserve"), Buffer.alloc(before));
  expect(await held(db, 3 * MIB)).toBe(3 * MIB);
  expect(await held(db, 3 * MIB)).toBe(3 * MIB);
});

test.each([
  ["symbolic", symlinkSync],
  ["hard", linkSync],
])("a %s link in the place of the reserve is not followed", async (_, link) => {
  const db = folder();
  const other = join(folder(), "other");
  writeFileSync(other, "other");
  link(other, join(db, "reserve"));
  expect(await held(db, MIB)).toBe(MIB);
  expect(readFileSync(other, "utf8")).toBe("other");
});
