/** Everything that a member can sign, or send, that others do not follow: how long it takes until they talk again. [P-15.3, P-15.9, P-15.13] */
import type { Proposal } from "ts-mls";
import { expect, test } from "vitest";
import { createDevice } from "../../src/crypto/identity.ts";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { rosterOf } from "../../src/crypto/team/roster.ts";
import { decodeSettings, encodeSettings, type TeamSettings } from "../../src/crypto/team/settings.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { lawless, suiteOf } from "../crypto/team-lawless.ts";
import { type Member, online } from "./members.ts";
import {
  agree,
  alertsOf,
  anyCommit,
  clockAhead,
  commitAs,
  dataOf,
  hearEachOther,
  type Lawless,
  lawlessAs,
  listening,
} from "./team-world.ts";
import { caughtUp, eventually, SAME_CLOCK, World } from "./world.ts";

type Attack = (by: Lawless) => Promise<Uint8Array>;

const settingsOf = ({ teams, group }: Lawless): TeamSettings => decodeSettings(teams.settings(group))!;

const withSettings =
  (change: Partial<TeamSettings>): Attack =>
  async (by) =>
    (await anyCommit(by, { settings: encodeSettings({ ...settingsOf(by), ...change }) })).commit;

const withProposal =
  (proposal: Proposal): Attack =>
  async ({ crypto: pairs, teams, group }) =>
    (await lawless({ pairs, teams }, { group }, { extraProposals: [proposal], authenticatedData: dataOf() })).bytes;

async function memberOf({ teams, group }: Lawless, name: string) {
  const member = (await rosterOf(teams.leaves(group))).find((one) => one.name === name);
  if (member === undefined) throw new Error(`${name} is not in it`);
  return { leaf: member.leaf, named: { name, device: member.device } };
}

const removing =
  (name: string, isSaid = true): Attack =>
  async (by) => {
    const { leaf, named } = await memberOf(by, name);
    return (await anyCommit(by, { remove: [leaf] }, isSaid ? { removed: [named] } : {})).commit;
  };

/** Somebody whom the attacker has made up, under any name. */
async function madeUp({ crypto }: Lawless, username: string, counter: number) {
  const device = await createDevice(crypto, { username, ...(await crypto.generateKeys()) }, counter, Date.now());
  const { public: keyPackage } = await crypto.makeKeyPackage(device, Date.now());
  return { keyPackage, named: { name: username, device: device.id } };
}

/** What nobody follows, whoever it is from. */
const forbidden: Record<string, Attack> = {
  "makes itself the only admin": withSettings({ admins: ["mallory"] }),
  "adds somebody, and is no admin": async (by) => {
    const { keyPackage, named } = await madeUp(by, "eve", 1);
    return (await anyCommit(by, { add: [keyPackage] }, { added: [named] })).commit;
  },
  "says of itself that it removes somebody": async (by) => {
    const { named } = await memberOf(by, "carol");
    return (await anyCommit(by, {}, { removed: [named] })).commit;
  },
  "gives the group another key": withSettings({ key: new Uint8Array(16).fill(7) }),
  "says that it replaces another group": withSettings({ replaces: "ab".repeat(32) }),
  "has settings that are none": async (by) => (await anyCommit(by, { settings: utf8("junk") })).commit,
  "removes a member without its word": removing("carol"),
  "removes a member, and does not say so": removing("carol", false),
  "removes an admin": removing("alice"),
  "puts somebody else in the place of a member": async (by) => {
    const { leaf, named } = await memberOf(by, "carol");
    const other = await madeUp(by, "carol", 2);
    const data = { removed: [named], added: [other.named] };
    return (await anyCommit(by, { remove: [leaf], add: [other.keyPackage] }, data)).commit;
  },
  "has a statement that nobody has signed": async (by) =>
    (await anyCommit(by, {}, { statements: [utf8("aimessage leave 1")] })).commit,
  "says nothing of itself": async ({ crypto: pairs, teams, group }) =>
    (await lawless({ pairs, teams }, { group })).bytes,
  "has a proposal of no known kind": withProposal({ proposalType: 0xf0aa, proposalData: utf8("x") }),
  "adds one under the name of a member": async (by) => {
    const { keyPackage, named } = await madeUp(by, "bob", 2);
    return (await anyCommit(by, { add: [keyPackage] }, { added: [named] })).commit;
  },
  "forgets what it knows of extensions": async ({ crypto: pairs, teams, group }) => {
    const state = stateOf(group);
    const at = 2 * state.privatePath.leafIndex;
    const tree = [...state.ratchetTree];
    const node = tree[at];
    if (node?.nodeType !== "leaf") throw new Error("no leaf");
    tree[at] = { ...node, leaf: { ...node.leaf, capabilities: { ...node.leaf.capabilities, extensions: [] } } };
    const changed = { state: { ...state, ratchetTree: tree } };
    return (await lawless({ pairs, teams }, { group: changed }, { authenticatedData: dataOf() })).bytes;
  },
};

/** New keys of which nobody can do anything. */
const garbage: Attack = async ({ crypto: pairs, teams, group }) => {
  const suite = suiteOf({ pairs, teams });
  const seal: typeof suite.hpke.seal = async (...input) => {
    const result = await suite.hpke.seal(...input);
    result.ct[0]! ^= 1;
    return result;
  };
  const lying = { ...suite, hpke: { ...suite.hpke, seal } };
  return (await lawless({ pairs, teams }, { group }, { authenticatedData: dataOf() }, lying)).bytes;
};

/** After each attack the honest ones hear each other within three minutes in which they listen; then the attacker is let in again. */
async function goThrough(attacks: [string, Attack][]): Promise<void> {
  const clock = clockAhead();
  await using world = await World.create({ noLimits: true, ...SAME_CLOCK });
  const { alice, bob, carol, mallory } = await online(world, "alice", "bob", "carol", "mallory");
  const honest: Member[] = [alice, bob, carol];
  await alice.agent.groups.create("team", ["bob", "carol", "mallory"]);
  for (const [name, attack] of attacks) {
    const isAccused = attack !== garbage;
    await agree([...honest, mallory], ["alice", "bob", "carol", "mallory"]);
    const before = (await alertsOf(carol, "bad_commit"))[0]?.count ?? 0;
    await caughtUp(mallory.agent);
    const hostile = await lawlessAs(world, "mallory");
    await commitAs(world, "mallory", { group: hostile.group, commit: await attack(hostile) });
    for (const member of honest)
      await eventually(`${member.agent.username} is told who ${name}`, async () => {
        const [told] = await alertsOf(member, "bad_commit");
        return told?.contact === "mallory" && told.count > before;
      });
    await listening([...honest, mallory], 140_000);
    if (isAccused) await agree(honest, ["alice", "bob", "carol"]);
    await hearEachOther(honest, name);
    // Each admin founds a group anew once an hour.
    clock.offset += 3_600_000;
    if (isAccused) await alice.agent.groups.add("team", ["mallory"]);
  }
  expect(await alertsOf(carol, "group_twice")).toEqual([]);
}

const all = Object.entries(forbidden);

test("[P-15.9] after forbidden commits, and keys that are garbage, all others talk again within three minutes", async () => {
  await goThrough([...all.slice(0, 2), ["has keys that are garbage", garbage]]);
});

test("[P-15.9] the same of fifteen forbidden commits, one after another", { tags: ["long"] }, async () => {
  expect(all).toHaveLength(15);
  await goThrough(all);
});
