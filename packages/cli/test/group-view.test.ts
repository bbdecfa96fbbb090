import type { Group, GroupMember } from "@aimessage/sdk/node";
import { expect, test } from "vitest";
import { infoLines, invitationHints, invitationLines, listLines } from "../src/group-view.ts";

const DAY_MS = 86_400_000;
const now = Date.UTC(2026, 10, 29, 12);

function member(name: string, more: Partial<GroupMember> = {}): GroupMember {
  return {
    name,
    isAdmin: false,
    isSelf: false,
    trust: "verified",
    verified: true,
    isChanged: false,
    device: "0f",
    deviceCounter: 1,
    heardAt: now - DAY_MS / 2,
    keysAt: now - DAY_MS / 2,
    isKeyOld: false,
    isLapsed: false,
    ...more,
  };
}

function group(members: readonly GroupMember[], more: Partial<Group> = {}): Group {
  return {
    name: "team",
    about: "",
    state: "active",
    foundedAt: now,
    admins: members.filter(({ isAdmin }) => isAdmin).map(({ name }) => name),
    members: members.map(({ name }) => name),
    inviter: undefined,
    isLapsed: false,
    waiting: [],
    ...more,
  };
}

test("a small group is told by a line for each member, and what needs a look before that", () => {
  const members = [
    member("alice", { isAdmin: true, isSelf: true, trust: "trusted" }),
    member("bob", { trust: "known", verified: false, heardAt: undefined, keysAt: now - 3 * DAY_MS }),
    member("carol", { deviceCounter: 2, heardAt: now - 9 * DAY_MS, isKeyOld: true }),
  ];
  const waiting = [{ kind: "add" as const, names: ["dave"], askedAt: now }];
  expect(
    infoLines(group(members, { about: "release crew", waiting }), members, { now }).filter(
      (line) => !line.startsWith("Founded"),
    ),
  ).toEqual([
    "Group:    @team",
    "About:    release crew",
    "Members:  3: 1 admin, 1 verified beside this agent",
    "Waiting:  add dave",
    "",
    "Needs a look:",
    "  invited, no word yet (1)      bob",
    "  silent for a week (1)         carol",
    "  old keys (1)                  carol",
    "  not verified (1)              bob",
    "",
    "NAME   ROLE        TRUST     DEVICE  HEARD  KEYS",
    "alice  admin, you            1              12h",
    "bob    member      known     1       never  3d",
    "carol  member      verified  2       9d     12h",
  ]);
});

test("a group of 400 fits on a screen of 80 columns, or has a line for each, as one likes", () => {
  const members = Array.from({ length: 400 }, (_, index) =>
    member(`agent-with-a-long-name-${String(index).padStart(3, "0")}`, {
      isAdmin: index < 7,
      isSelf: index === 0,
      verified: index % 2 === 0,
      isLapsed: index === 399,
      isChanged: index === 398,
    }),
  );
  const about = "words of what it is for, ".repeat(20);
  const lines = infoLines(group(members, { about }), members, { now });
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(lines.length).toBeLessThan(32);
  expect(lines).toContain("Members:  400: 7 admins, 199 verified beside this agent");
  expect(lines).toContain("  another key than its pin (1)  agent-with-a-long-name-398");
  expect(lines).toContain("  lapsed (1)                    agent-with-a-long-name-399");
  expect(lines.find((line) => line.includes("not verified"))).toBe(
    "  not verified (200)            agent-with-a-long-name-001,",
  );
  expect(lines).toContain("  393 others; a line each: aimessage group info @team --all");
  expect(infoLines(group(members), members, { now, all: true }).slice(-400)).toHaveLength(400);
  const fifty = members.slice(0, 50);
  expect(infoLines(group(fifty), fifty, { now }).filter((line) => line.startsWith("  agent"))).toHaveLength(4 + 22);
});

test("groups are listed in 80 columns, what waits for the owner first", () => {
  const many = Array.from({ length: 400 }, (_, index) => member(`a${index}`));
  const groups = [
    group(many, { name: "all", about: "everybody who has anything to do with the release of next spring, and more" }),
    group([member("alice", { isAdmin: true })], { name: "gone", isLapsed: true }),
    group([member("alice")], { name: "new", state: "invited", inviter: "mallory" }),
    group([member("alice")], { name: "old~2", state: "invited", inviter: "carol" }),
  ];
  expect(listLines(groups, "Alice")).toEqual([
    "NAME    STATE    ROLE    MEMBERS  ABOUT",
    "@new    invited          1",
    "@old~2  invited          1",
    "@gone   lapsed   admin   1",
    "@all             member  400      everybody who has anything to do with the r...",
  ]);
  expect(invitationLines(groups)).toEqual([
    "mallory invites this agent to @new.",
    "carol invites this agent to @old~2.",
  ]);
  expect(invitationHints(groups)).toEqual([
    "To join @new, or not: aimessage group accept @new; aimessage group refuse @new",
    "To join @old~2, or not: aimessage group accept @old~2; aimessage group refuse @old~2",
  ]);
});
