/** What a commit of a team may be: each kind in its right form, and what it may not be. [P-15.3] */
import { describe, expect, it } from "vitest";
import { type Forbidden, forbidden, forbiddenTeam, MOST_ADDED, type Plan } from "../../src/crypto/team/rules.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { before, certificate, digestOf, group, plan, roster, settings, statement, type Wish } from "./team-plans.ts";

const judged = (wish: Wish, changes: Partial<Plan> = {}) => forbidden({ ...plan(wish), ...changes }, before);

describe("allowed is, and nothing else", () => {
  const right: Record<string, Wish> = {
    "an Update, by any member": { by: "erin" },
    "Settings, by an admin": { by: "bob", settings: [{ ...settings, name: "ops", admins: ["carol"] }] },
    "Members, by an admin: removes and adds": { by: "alice", remove: ["carol", "dave"], add: [certificate("frank")] },
    "Members: 200 Adds": {
      by: "bob",
      add: Array.from({ length: MOST_ADDED }, (_, at) => certificate(`new${at}`)),
    },
    "Members: adds alone, without a path": { by: "bob", add: [certificate("frank"), certificate("grace")] },
    "Members: somebody who is added again, also with an older device": {
      by: "bob",
      remove: ["carol"],
      add: [certificate("carol", 0)],
    },
    "Leaves, by any member": {
      by: "erin",
      remove: ["carol", "dave"],
      statements: [statement("leave", "dave"), statement("leave", "carol")],
    },
    "a Swap, by any member: a newer device": { by: "erin", remove: ["carol"], add: [certificate("carol", 2)] },
    "a Swap of an admin": { by: "erin", remove: ["alice"], add: [certificate("alice", 2)] },
    "a Swap of the same device, by its word": {
      by: "erin",
      remove: ["bob"],
      add: [certificate("bob")],
      statements: [statement("rejoin", "bob")],
    },
    "a Leave and two Swaps": {
      by: "dave",
      remove: ["bob", "carol", "erin"],
      add: [certificate("erin", 3), certificate("bob")],
      statements: [statement("rejoin", "bob"), statement("leave", "carol")],
    },
    "a statement of 63 epochs ago": { by: "erin", remove: ["carol"], statements: [statement("leave", "carol", 7)] },
  };
  it.each(Object.entries(right))("%s", (_name, wish) => {
    expect(judged(wish)).toBeUndefined();
  });

  const carolLeaves: Wish = { by: "erin", remove: ["carol"], statements: [statement("leave", "carol")] };
  const bobRejoins: Wish = {
    by: "erin",
    remove: ["bob"],
    add: [certificate("bob")],
    statements: [statement("rejoin", "bob")],
  };
  const wrong: [string, Forbidden, Wish, Partial<Plan>?][] = [
    ["a proposal of another kind", "other_proposal", { by: "alice" }, { hasOthers: true }],
    ["a leaf that says something else", "leaf_changed", { by: "alice" }, { path: "changed" }],
    ["no data", "bad_data", { by: "alice" }, { data: undefined }],
    ["an Update without a path", "no_path", { by: "alice", path: "none" }],
    ["an Update with a statement", "statement_unused", { by: "erin", statements: [statement("leave", "carol")] }],
    [
      "an Update that says it adds somebody",
      "data_differs",
      { by: "erin" },
      { data: plan({ by: "bob", add: [certificate("frank")] }).data },
    ],
    ["a committer who is none", "unknown_leaf", { by: "erin" }, { committer: 9 }],
    ["Settings by somebody else", "not_admin", { by: "carol", settings: [settings] }],
    ["Settings twice", "settings_not_alone", { by: "bob", settings: [settings, settings] }],
    ["Settings with a Remove", "settings_not_alone", { by: "bob", settings: [settings], remove: ["carol"] }],
    ["Settings with an Add", "settings_not_alone", { by: "bob", settings: [settings], add: [certificate("frank")] }],
    ["Settings that are none", "bad_settings", { by: "bob", settings: [undefined] }],
    [
      "another key of the team",
      "settings_fixed",
      { by: "bob", settings: [{ ...settings, key: new Uint8Array(16).fill(1) }] },
    ],
    ["another day of founding", "settings_fixed", { by: "bob", settings: [{ ...settings, foundedAt: 2 }] }],
    ["another replaced group", "settings_fixed", { by: "bob", settings: [{ ...settings, replaces: group }] }],
    [
      "an admin who is no member",
      "admin_not_member",
      { by: "bob", settings: [{ ...settings, admins: ["alice", "zoe"] }] },
    ],
    ["Members by somebody else: a Remove", "not_admin", { by: "carol", remove: ["dave"] }],
    ["Members by somebody else: an Add", "not_admin", { by: "carol", add: [certificate("frank")] }],
    [
      "a Swap and an Add by somebody else",
      "not_admin",
      { by: "erin", remove: ["carol"], add: [certificate("carol", 2), certificate("frank")] },
    ],
    ["an admin that is removed", "admin_removed", { by: "alice", remove: ["bob"] }],
    [
      "an admin that is removed with its word",
      "admin_removed",
      { by: "alice", remove: ["bob"], statements: [statement("leave", "bob")] },
    ],
    [
      "an admin with an older device in its place",
      "admin_removed",
      { by: "alice", remove: ["bob"], add: [certificate("bob", 0)] },
    ],
    [
      "201 Adds",
      "too_many_added",
      { by: "bob", add: Array.from({ length: MOST_ADDED + 1 }, (_, at) => certificate(`new${at}`)) },
    ],
    ["an Add without a right certificate", "bad_certificate", { by: "bob", add: [undefined] }],
    ["a name that is there already", "name_twice", { by: "bob", add: [certificate("carol", 2)] }],
    ["one name added twice", "name_twice", { by: "bob", add: [certificate("frank"), certificate("frank", 2)] }],
    [
      "one name twice in its own place",
      "name_twice",
      { by: "bob", remove: ["carol"], add: [certificate("carol", 2), certificate("carol", 3)] },
    ],
    [
      "a name with another identity",
      "identity_changed",
      { by: "bob", remove: ["carol"], add: [certificate("carol", 2, "mallory")] },
    ],
    [
      "the same by any member",
      "identity_changed",
      { by: "erin", remove: ["carol"], add: [certificate("carol", 2, "mallory")] },
    ],
    ["the committer removed", "committer_removed", { by: "alice", remove: ["alice"] }],
    ["one leaf removed twice", "removed_twice", { by: "bob", remove: ["carol", "carol"] }],
    [
      "a blank leaf removed",
      "unknown_leaf",
      { by: "bob", remove: ["carol"] },
      { removes: [{ leaf: 17, digest: digestOf(17) }] },
    ],
    ["a Remove without a path", "no_path", { by: "bob", remove: ["carol"], path: "none" }],
    [
      "data that name another who was removed",
      "data_differs",
      { by: "bob", remove: ["carol"] },
      { data: plan({ by: "bob", remove: ["dave"] }).data },
    ],
    ...["carol carol-2", "dave carol-1"].map((other): [string, Forbidden, Wish, Partial<Plan>] => {
      const [name = "", device = ""] = other.split(" ");
      const data = { commitId: "c", added: [], removed: [{ name, device }], statements: [] };
      return [`data that name ${other}`, "data_differs", { by: "bob", remove: ["carol"] }, { data }];
    }),
    ["data that name nobody", "data_differs", { by: "bob", remove: ["carol"] }, { data: plan({ by: "bob" }).data }],
    [
      "data in another order",
      "data_differs",
      { by: "bob", remove: ["carol", "dave"] },
      { data: plan({ by: "bob", remove: ["dave", "carol"] }).data },
    ],
    ["a malformed statement", "bad_statement", carolLeaves, { statements: [undefined] }],
    ["a Leave without a statement", "not_admin", { by: "erin", remove: ["carol"] }],
    [
      "a Leave with that of another",
      "not_admin",
      { by: "erin", remove: ["carol"], statements: [statement("leave", "dave")] },
    ],
    [
      "one statement for two",
      "not_admin",
      { by: "erin", remove: ["carol", "dave"], statements: [statement("leave", "carol")] },
    ],
    [
      "a Leave by a word to rejoin",
      "not_admin",
      { by: "erin", remove: ["carol"], statements: [statement("rejoin", "carol")] },
    ],
    [
      "a statement that nobody needs",
      "statement_unused",
      { ...carolLeaves, statements: [statement("leave", "carol"), statement("leave", "dave")] },
    ],
    [
      "the same statement twice",
      "statement_unused",
      { ...carolLeaves, statements: [statement("leave", "carol"), statement("leave", "carol")] },
    ],
    ["a statement of 64 epochs ago", "not_admin", { ...carolLeaves, statements: [statement("leave", "carol", 6)] }],
    ["a statement of an epoch to come", "not_admin", { ...carolLeaves, statements: [statement("leave", "carol", 71)] }],
    [
      "a statement of another group",
      "not_admin",
      { ...carolLeaves, statements: [{ ...statement("leave", "carol"), group: "cd".repeat(32) }] },
    ],
    [
      "a statement of another device",
      "not_admin",
      { ...carolLeaves, statements: [{ ...statement("leave", "carol"), device: "carol-0" }] },
    ],
    [
      "a statement of another leaf",
      "not_admin",
      { ...carolLeaves, statements: [{ ...statement("leave", "carol"), leaf: digestOf(99) }] },
    ],
    ["a Swap of the same device without its word", "admin_removed", { ...bobRejoins, statements: [] }],
    [
      "a Swap of the same device by a word to leave",
      "admin_removed",
      { ...bobRejoins, statements: [statement("leave", "bob")] },
    ],
    ["a Swap to an older device", "not_admin", { by: "erin", remove: ["carol"], add: [certificate("carol", 0)] }],
    [
      "a Swap to another certificate of the same counter",
      "not_admin",
      {
        by: "erin",
        remove: ["carol"],
        add: [{ ...certificate("carol"), certificate: utf8("another") }],
        statements: [statement("rejoin", "carol")],
      },
    ],
  ];
  it.each(wrong)("not %s: %s", (_name, reason, wish, changes) => {
    expect(judged(wish, changes)).toBe(reason);
  });
});

describe("a team that one joins", () => {
  it("has each name once, and admins that are members", () => {
    expect(forbiddenTeam(settings, roster)).toBeUndefined();
    expect(forbiddenTeam(undefined, roster)).toBe("bad_settings");
    expect(forbiddenTeam(settings, [...roster, { ...certificate("carol", 2), leaf: 9 }])).toBe("name_twice");
    expect(forbiddenTeam(settings, roster.slice(1))).toBe("admin_not_member");
  });
});
