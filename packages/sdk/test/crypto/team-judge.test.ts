/** The rules, asked of real commits: what is signed and certified is looked at here. [P-15.3] */
import { expect, it } from "vitest";
import { createDevice, type Device } from "../../src/crypto/identity.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../../src/crypto/mls/state.ts";
import type { Change } from "../../src/crypto/mls/team-seam.ts";
import { commitChange, followChange, foundTeam, joinTeam } from "../../src/crypto/team/changes.ts";
import { encodeCommitData } from "../../src/crypto/team/commit-data.ts";
import { forbiddenGroup } from "../../src/crypto/team/judge.ts";
import { certified, rosterOf } from "../../src/crypto/team/roster.ts";
import { encodeSettings, type TeamSettings } from "../../src/crypto/team/settings.ts";
import { leafDigest, signStatement, type Statement } from "../../src/crypto/team/statements.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { anyone, cryptoOf, groupId, none, now, quickProvider } from "./team.ts";

const { pairs, teams } = await cryptoOf(quickProvider);
const authenticate = certified(teams.primitives);
const settings: TeamSettings = {
  key: new Uint8Array(16),
  name: "team",
  about: "",
  foundedAt: now,
  admins: ["alice"],
  replaces: "",
};

interface One {
  device: Device;
  keyPackage: { public: Uint8Array; secret: Uint8Array; ref: string };
  group: Group;
}

async function agent(username: string, counter = 1): Promise<Omit<One, "group">> {
  const device = await createDevice(pairs, { username, ...(await pairs.generateKeys()) }, counter, now);
  return { device, keyPackage: await pairs.makeKeyPackage(device, now) };
}

async function founded(said = settings): Promise<[One, One, One]> {
  const [alice, bob, carol] = [await agent("alice"), await agent("bob"), await agent("carol")];
  const { group, invitation } = await foundTeam(teams, said, {
    groupId,
    leaf: alice.device,
    members: [bob.keyPackage.public, carol.keyPackage.public],
    now,
  });
  const join = async (who: Omit<One, "group">, at: number) => {
    const invited = { welcome: invitation.welcomes[at]!.welcome, tree: invitation.tree };
    return { ...who, ...(await joinTeam(teams, invited, who.keyPackage.secret, who.device)) };
  };
  return [{ ...alice, group }, await join(bob, 0), await join(carol, 1)];
}

/** A commit of somebody who keeps to no rule, and what another makes of it. */
async function verdict(by: One, other: One, change: Change, data: Partial<Parameters<typeof encodeCommitData>[0]>) {
  const said = encodeCommitData({ commitId: "c", added: [], removed: [], statements: [], ...data });
  const { commit } = await teams.commit(by.group, change, said, { now, authenticate: anyone });
  const followed = await followChange(teams, other.group, commit);
  return followed.kind === "refused" ? followed.reason : followed.kind;
}

it("what one makes by the rules others follow, and the rest is not made", async () => {
  const [alice, bob, carol] = await founded();
  const dave = await agent("dave");
  const made = await commitChange(teams, alice.group, { add: [dave.keyPackage.public] }, { commitId: "c1", now });
  expect((await followChange(teams, bob.group, made.commit)).kind).toBe("applied");
  const add = { add: [dave.keyPackage.public] };
  await expect(commitChange(teams, carol.group, add, { commitId: "c2", now })).rejects.toThrow("not_admin");
  await expect(commitChange(teams, alice.group, { remove: [7] }, { commitId: "c3", now })).rejects.toThrow(
    "unknown_leaf",
  );
});

it("a commit says the truth of itself, and has data", async () => {
  const [alice, bob, carol] = await founded();
  expect(await verdict(alice, bob, { remove: [2] }, {})).toBe("data_differs");
  expect(await verdict(alice, bob, { remove: [2] }, { removed: [{ name: "carol", device: carol.device.id }] })).toBe(
    "applied",
  );
  const { commit } = await teams.commit(alice.group, {}, none, { now, authenticate });
  expect(await followChange(teams, bob.group, commit)).toMatchObject({ kind: "refused", reason: "bad_data" });
});

it("nobody is added under a certificate that is not right, or is another device's", async () => {
  const [alice, bob] = await founded();
  const dave = await agent("dave");
  const other = { ...dave.device, ...(await pairs.generateKeys()) };
  const changed = {
    ...dave.device,
    certificate: dave.device.certificate.map((byte, at, { length }) => (at === length - 1 ? byte ^ 1 : byte)),
  };
  for (const device of [other, changed]) {
    const keyPackage = await pairs.makeKeyPackage(device, now);
    const added = [{ name: "dave", device: dave.device.id }];
    expect(await verdict(alice, bob, { add: [keyPackage.public] }, { added })).toBe("bad_certificate");
  }
});

it("a statement counts if its member has signed it, of this leaf", async () => {
  const [alice, bob, carol] = await founded();
  const leaf = await leafDigest(teams.leafNode(bob.group, 2)!);
  const statement: Statement = {
    kind: "leave",
    group: groupIdOf(bob.group),
    name: "carol",
    device: carol.device.id,
    epoch: epochOf(bob.group),
    leaf,
  };
  const removed = [{ name: "carol", device: carol.device.id }];
  const by = async (what: Statement, key: Uint8Array) =>
    verdict(bob, alice, { remove: [2] }, { removed, statements: [await signStatement(teams.primitives, what, key)] });
  expect(await by(statement, carol.device.privateKey)).toBe("applied");
  expect(await by(statement, bob.device.privateKey)).toBe("bad_statement");
  expect(await by({ ...statement, leaf: new Uint8Array(32) }, carol.device.privateKey)).toBe("not_admin");
  expect(await verdict(bob, alice, { remove: [2] }, { removed, statements: [utf8("x")] })).toBe("bad_statement");
});

it("settings are an admin's, whole, and hold for the next commit", async () => {
  const [alice, bob, carol] = await founded();
  const next = encodeSettings({ ...settings, admins: ["bob"], name: "ops" });
  const made = await commitChange(teams, alice.group, { settings: next }, { commitId: "c1", now });
  for (const one of [bob, carol]) {
    const followed = await followChange(teams, one.group, made.commit);
    if (followed.kind === "applied") one.group = followed.group;
  }
  alice.group = teams.apply(alice.group, made.pending);
  expect(teams.settings(carol.group)).toEqual(next);
  expect(await verdict(alice, bob, { settings: encodeSettings(settings) }, {})).toBe("not_admin");
  expect(await verdict(bob, alice, { settings: utf8("anything") }, {})).toBe("bad_settings");
});

it("a team that was founded against the rules is none", async () => {
  const [, bob] = await founded();
  expect(await forbiddenGroup(teams, bob.group)).toBeUndefined();
  await expect(founded({ ...settings, admins: ["zoe"] })).rejects.toThrow("admin_not_member");
  const stranger = { ...(await agent("erin")).device, certificate: utf8("none") };
  const late = await pairs.makeKeyPackage(stranger, now);
  const made = await teams.commit(bob.group, { add: [late.public] }, none, { now, authenticate: anyone });
  const invited = { welcome: made.invitation!.welcomes[0]!.welcome, tree: made.invitation!.tree };
  await expect(joinTeam(teams, invited, late.secret, stranger)).rejects.toThrow("certificate of a leaf");
  const lax = await teams.join(invited, late.secret, stranger, anyone);
  expect(await forbiddenGroup(teams, lax.group)).toBe("bad_certificate");
  expect(await forbiddenGroup(teams, made.pending)).toBe("bad_certificate");
  expect((await rosterOf(teams.leaves(made.pending))).map(({ name }) => name)).toEqual(["alice", "bob", "carol"]);
});

it("nothing may be changed in a team without settings", async () => {
  const [alice, bob] = [await agent("alice"), await agent("bob")];
  const members = [bob.keyPackage.public];
  const { group } = await teams.found({ groupId, leaf: alice.device, settings: utf8("x"), members, now, authenticate });
  expect(await forbiddenGroup(teams, group)).toBe("bad_settings");
  await expect(commitChange(teams, group, {}, { commitId: "c", now })).rejects.toThrow("bad_settings");
});
