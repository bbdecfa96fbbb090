/** A team that is founded anew. [P-15.9] */
import { describe, expect, it } from "vitest";
import {
  firstFounding,
  type Invited,
  isFoundedAnew,
  type LastKnown,
  leftOut,
  rankOf,
  settingsAnew,
} from "../../src/crypto/team/foundings.ts";
import type { TeamMember } from "../../src/crypto/team/roster.ts";
import { certificate, group, roster, settings } from "./team-plans.ts";

const known: LastKnown = { settings, roster, accused: new Set() };
const member = (name: string): TeamMember => roster.find((one) => one.name === name)!;

/** Founded anew by an admin. */
function by(inviter: TeamMember, change: Partial<Invited> = {}): Invited {
  return { group: "11".repeat(32), settings: settingsAnew(known, group), roster, inviter, ...change };
}

describe("a founding anew is taken", () => {
  it("from each who was an admin, also with a newer device", () => {
    expect(isFoundedAnew(by(member("alice")), known)).toBe(true);
    expect(isFoundedAnew(by({ ...certificate("bob", 2), leaf: 0 }), known)).toBe(true);
  });

  it.each<[string, Invited, Partial<LastKnown>?]>([
    ["somebody else", by(member("carol"))],
    ["a stranger", by({ ...certificate("zoe"), leaf: 0 })],
    ["another identity of that name", by({ ...certificate("alice", 1, "mallory"), leaf: 0 })],
    ["somebody whom we saw sign a forbidden commit", by(member("alice")), { accused: new Set(["alice"]) }],
    [
      "an admin of another team",
      by(member("alice"), { settings: { ...settings, key: new Uint8Array(16).fill(1), replaces: group } }),
    ],
    ["an admin who says of no group that it is replaced", by(member("alice"), { settings })],
  ])("but not from %s", (_name, invited, change) => {
    expect(isFoundedAnew(invited, { ...known, ...change })).toBe(false);
  });
});

it("of two the one counts whose admin is first in rank, then the one with the smaller id", () => {
  const [alice, bob] = [by(member("alice"), { group: "ff".repeat(32) }), by(member("bob"))];
  for (const pair of [
    [alice, bob],
    [bob, alice],
  ] as const)
    expect(firstFounding(...pair, known)).toBe(alice);
  const smaller = by(member("alice"));
  for (const pair of [
    [alice, smaller],
    [smaller, alice],
  ] as const)
    expect(firstFounding(...pair, known)).toBe(smaller);
  expect(["alice", "bob", "carol"].map((name) => rankOf(settings, name))).toEqual([0, 1, Infinity]);
});

it("those who signed a forbidden commit are left out, and everybody sees who is", () => {
  const accused = new Set(["bob"]);
  expect(settingsAnew({ ...known, accused }, group)).toEqual({ ...settings, admins: ["alice"], replaces: group });
  const without = by(member("alice"), { roster: roster.filter(({ name }) => name !== "bob") });
  expect(leftOut(without, known).map(({ name }) => name)).toEqual(["bob"]);
});
