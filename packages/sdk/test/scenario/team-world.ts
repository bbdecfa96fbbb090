/** Groups whose members do as they please: for tests of what the others do then. */
import { onTestFinished, vi } from "vitest";
import type { Alert } from "../../src/agent/agent.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { epochOf, groupIdOf } from "../../src/crypto/mls/state.ts";
import { TeamCrypto } from "../../src/crypto/mls/team.ts";
import type { Change, OwnCommit } from "../../src/crypto/mls/team-seam.ts";
import { rosterOf } from "../../src/crypto/team/roster.ts";
import { encodeCommitData } from "../../src/crypto/team/commit-data.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { fromBase64, randomId, toBase64 } from "../../src/protocol/index.ts";
import { readPart } from "../../src/records/group-state.ts";
import { list } from "../../src/records/records.ts";
import { moveOn } from "../../../../test/clocks.ts";
import { anyone } from "../crypto/team.ts";
import { lawless, suiteOf } from "../crypto/team-lawless.ts";
import type { Frame } from "./proxy.ts";
import type { Member } from "./members.ts";
import { caughtUp, eventually, type World } from "./world.ts";

/** Somebody who has the keys of a member, and keeps none of our rules. */
export interface Lawless {
  crypto: GroupCrypto;
  teams: TeamCrypto;
  group: Group;
}

/** The group that an agent is in now, from its store. */
export async function lawlessAs(world: World, username: string): Promise<Lawless> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  return world.memory(username).read(async (tx) => {
    const team = (await list(tx, "team/")).find(({ state }) => state === "active");
    const group = await crypto.assemble((name) => readPart(tx, team?.group ?? "", name));
    if (group === undefined) throw new Error(`${username} is in no group`);
    return { crypto, teams: TeamCrypto.over(crypto.primitives), group };
  });
}

/** A commit of any kind, which says of itself what is given. */
export async function anyCommit(
  { teams, group }: Pick<Lawless, "teams" | "group">,
  change: Change,
  data: Partial<Parameters<typeof encodeCommitData>[0]> = {},
): Promise<OwnCommit> {
  return teams.commit(group, change, dataOf(data), { now: Date.now(), authenticate: anyone });
}

export function dataOf(data: Partial<Parameters<typeof encodeCommitData>[0]> = {}): Uint8Array {
  return encodeCommitData({ commitId: randomId(), added: [], removed: [], statements: [], ...data });
}

/** Has a member's commit admitted by the relay, which cannot read it. */
export async function commitAs(
  world: World,
  username: string,
  { group, commit }: { group: Group; commit: Uint8Array },
  more: Frame["data"] = {},
): Promise<void> {
  const data = { group_id: groupIdOf(group), epoch: epochOf(group), team: true, body: toBase64(commit), ...more };
  const answer = await askAs(world, username, "commit", { commit_id: randomId(), ...data });
  if (answer.type !== "ack") throw new Error(`the relay has not taken it: ${JSON.stringify(answer.data)}`);
}

/** What the relay answers to a frame in somebody's name. */
export async function askAs(world: World, username: string, type: string, data: Frame["data"]): Promise<Frame> {
  const id = randomId();
  world.proxy.toRelay(username, { type, id, data });
  const { frame } = await eventually("the relay has answered", () =>
    world.proxy.recorded.find(({ frame, toRelay }) => !toRelay && frame.reply_to === id),
  );
  return frame;
}

/** New keys of a member, which are garbage for half of the others. */
export async function halfGarbage(world: World, username: string): Promise<void> {
  const { crypto, teams, group } = await lawlessAs(world, username);
  const suite = suiteOf({ pairs: crypto, teams });
  let sealed = 0;
  const seal: typeof suite.hpke.seal = async (...input) => {
    const result = await suite.hpke.seal(...input);
    if (sealed++ % 2 === 1) result.ct[0]! ^= 1;
    return result;
  };
  const { bytes } = await lawless(
    { pairs: crypto, teams },
    { group },
    { authenticatedData: dataOf() },
    {
      ...suite,
      hpke: { ...suite.hpke, seal },
    },
  );
  await commitAs(world, username, { group, commit: bytes });
}

/** Behind a commit that nobody else follows its maker takes somebody in again, as if it had asked that one. */
export async function welcomeBehind(world: World, by: string, { teams, group }: Lawless, name: string): Promise<void> {
  const { data } = await askAs(world, by, "claim_keys", { username: name });
  const { key_package: keyPackage, device } = data as unknown as { key_package: string; device: { id: string } };
  const member = (await rosterOf(teams.leaves(group))).find((one) => one.name === name);
  if (member === undefined) throw new Error(`${name} is not in it`);
  const change = { remove: [member.leaf], add: [fromBase64(keyPackage)] };
  const { commit, invitation } = await anyCommit({ teams, group }, change);
  const named = [{ username: name, device: device.id }];
  const welcomes = [{ to: name, device: device.id, welcome: toBase64(invitation!.welcomes[0]!.welcome) }];
  const rest = { remove: named, add: named, welcomes, tree: toBase64(invitation!.tree) };
  await commitAs(world, by, { group, commit }, rest);
}

/** The clock of this process, and of a relay that goes by it, is ahead by what `offset` says, until the test ends. */
export function clockAhead(): { offset: number } {
  const clock = { offset: 0 };
  const now = Date.now;
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + clock.offset);
  onTestFinished(() => spy.mockRestore());
  return clock;
}

/** Time passes for all of them, in which they listen. */
export async function listening(members: Member[], milliseconds: number): Promise<void> {
  const step = 10_000;
  for (let passed = 0; passed < milliseconds; passed += step) {
    for (const { agent } of members) await caughtUp(agent);
    moveOn(step);
  }
  for (const { agent } of members) await caughtUp(agent);
}

/** Until all of them go on in one group, of these members. */
export async function agree(members: Member[], names: string[], group = "team"): Promise<void> {
  for (const { agent } of members)
    await eventually(
      `${agent.username} is in it with ${names.join()}`,
      async () => (await agent.groups.list()).find(({ name }) => name === group)?.members.join() === names.join(),
    );
}

/** Each sends something that all others handle. */
export async function allTalk(members: Member[], text: string, to = "@team"): Promise<void> {
  const sent = await Promise.all(members.map(({ agent }) => agent.send(to, `${text} of ${agent.username}`)));
  for (const one of sent) await one.handled();
}

export async function alertsOf({ agent }: Member, kind: string): Promise<Alert[]> {
  return (await agent.alerts()).filter((alert) => alert.kind === kind);
}

/** Each of them hears all others, whoever else is in the group and hears nothing. */
export async function hearEachOther(members: Member[], text: string): Promise<void> {
  for (const { agent } of members) await agent.send("@team", `${text} of ${agent.username}`);
  for (const { agent: from } of members)
    for (const { agent, got } of members)
      if (from !== agent)
        await eventually(`${agent.username} hears ${from.username}`, () =>
          got.some(({ body }) => body === `${text} of ${from.username}`),
        );
}
