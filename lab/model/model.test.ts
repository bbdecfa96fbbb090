/** All states of small groups, over the code that decides. [P-15.3], [P-15.9] */
import { describe, expect, test } from "vitest";
import { summary, violationIn } from "./report.ts";
import { mistakes, rulesWith } from "./rules.ts";
import { type Found, search } from "./search.ts";
import { type Size, worlds } from "./worlds.ts";

/** More states than any of these has. */
const MOST = 1_000_000;

function explore(size: Size, name: string, mistake?: string): Found {
  const world = worlds(size).find((one) => one.name === name)!;
  const found = search(world, rulesWith(mistake), { most: MOST });
  process.stdout.write(`${summary(world, found)}\n`);
  return found;
}

function isFine(size: Size, name: string): void {
  const found = explore(size, name);
  expect(violationIn(found)).toBe("");
  expect(found).toMatchObject({ isWhole: true });
  expect(found.states).toBeGreaterThan(300);
}

/** Where each shows, and by what. */
const shown: [mistake: string, size: Size, world: string, sign: RegExp][] = [
  ["admins-removed", "quick", "all are honest", /the admin \w+ is removed/],
  ["no-admins", "quick", "a member is hostile", /without a right/],
  ["old-leaf", "short", "a member is hostile", /another leaf without having said so/],
  ["no-expiry", "quick", "a member is hostile", /another leaf without having said so/],
  ["no-floor", "quick", "all are honest", /still admits what it can read/],
  ["unanswered", "quick", "all are honest", /cannot follow, though all are honest/],
  ["anybody-takes-in", "quick", "a member is hostile", /was no admin, has said who is one/],
  ["accused-founds", "quick", "an admin is hostile", /whom it saw sign a forbidden commit/],
  ["any-word", "short", "all are honest", /there is no way back/],
  ["keeps-commit", "short", "all are honest", /to an epoch that it was not made in/],
  ["first-come", "short", "the relay lies", /there is no way back/],
];

describe("the model of groups", () => {
  test("has no state that must not be, where all are honest", () => isFine("quick", "all are honest"));

  test.for(["a member is hostile", "an admin is hostile", "the relay lies"])(
    "has none where %s",
    { tags: ["long"] },
    (name) => isFine("quick", name),
  );

  test("names all mistakes that can be planted", () => {
    expect(shown.map(([mistake]) => mistake).toSorted()).toEqual(mistakes.toSorted());
  });

  test.for(shown.slice(0, 4))(
    "finds a mistake that is planted around the rules: %s",
    ([mistake, size, world, sign]) => {
      expect(violationIn(explore(size, world, mistake))).toMatch(sign);
    },
  );

  test.for(shown.slice(4))(
    "finds one around what follows from them: %s",
    { tags: ["long"] },
    ([mistake, size, world, sign]) => {
      expect(violationIn(explore(size, world, mistake))).toMatch(sign);
    },
  );
});
