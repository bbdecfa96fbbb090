/** A team that is founded anew. [P-15.9] */
import { describe, expect, it } from "vitest";
import {
  firstFounding,
  type Invited,
  isFoundedAnew,
  type LastKnown,
  leftOut,
  mayTakeIn,
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
    expect(firstFounding(...pair)).toBe(alice);
  const smaller = by(member("alice"));
  for (const pair of [
    [alice, smaller],
    [smaller, alice],
  ] as const)
    expect(firstFounding(...pair)).toBe(smaller);
  expect(["alice", "bob", "carol"].map((name) => rankOf(settings, name))).toEqual([0, 1, Infinity]);
});

it("of two all choose the same, also those who have missed that an admin was demoted, which the foundings say", () => {
  const [alice, bob] = [by(member("alice")), by(member("bob"), { group: "ff".repeat(32) })];
  const alone = { ...bob, settings: { ...bob.settings, admins: ["bob"] } };
  const turned = { ...bob, settings: { ...bob.settings, admins: ["bob", "alice"] } };
  expect(firstFounding(alice, alone)).toBe(alone);
  expect(firstFounding(alone, alice)).toBe(alone);
  // Where they differ in who is first, the id says it.
  expect(firstFounding(alice, turned)).toBe(alice);
  expect(firstFounding(turned, alice)).toBe(alice);
});

/** Taken in again by a member. */
function again(name: string, change: Partial<Invited> = {}): Invited {
  return by(member(name), { group, settings, ...change });
}

describe("whoever could not follow is taken in again", () => {
  const risen = { settings: { ...settings, admins: ["carol"] } };

  it.each<[string, Invited]>([
    ["any member, where the admins are who they were", again("carol")],
    ["whom it does not know yet, likewise", again("carol", { inviter: { ...certificate("zoe"), leaf: 9 } })],
    ["an admin, whoever has become one meanwhile", again("bob", risen)],
  ])("by %s", (_name, invited) => {
    expect(mayTakeIn(invited, known)).toBe(true);
  });

  const swapped = roster.map((one) => (one.name === "bob" ? { ...certificate("bob", 1, "mallory"), leaf: 1 } : one));
  it.each<[string, Invited, string[]?]>([
    ["a member that has made itself an admin where nobody followed", again("carol", risen)],
    ["a member that has put another one in the place of an admin", again("carol", { roster: swapped })],
    ["a member with another team", again("carol", { settings: { ...settings, key: new Uint8Array(16).fill(1) } })],
    ["a member whom it saw sign a forbidden commit", again("carol"), ["carol"]],
    ["an admin whom it saw sign one", again("bob", risen), ["bob"]],
    [
      "another identity of an admin",
      again("bob", { ...risen, inviter: { ...certificate("bob", 2, "mallory"), leaf: 1 } }),
    ],
  ])("but not by %s", (_name, invited, accused = []) => {
    expect(mayTakeIn(invited, { ...known, accused: new Set(accused) })).toBe(false);
  });
});

it("those who signed a forbidden commit are left out, and everybody sees who is", () => {
  const accused = new Set(["bob"]);
  expect(settingsAnew({ ...known, accused }, group)).toEqual({ ...settings, admins: ["alice"], replaces: group });
  const without = by(member("alice"), { roster: roster.filter(({ name }) => name !== "bob") });
  expect(leftOut(without, known).map(({ name }) => name)).toEqual(["bob"]);
});
