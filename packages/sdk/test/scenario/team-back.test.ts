/** A group that was founded anew by an admin which is none any more where the others have gone on. [P-15.9] */
import { describe, expect, test } from "vitest";
import type { Sent } from "../../src/agent/sent.ts";
import { type Member, online } from "./members.ts";
import { agree, alertsOf, allTalk, clockAhead, listening } from "./team-world.ts";
import { edit, type Rule } from "./proxy.ts";
import { eventually, SAME_CLOCK, World } from "./world.ts";

/** The relay hears of each in so long once that it wants to be taken in again. Milliseconds. */
const PATIENCE_MS = 600_000;

/** What comes to some of them cannot be followed, and nobody hears that these ask to be taken in again. */
function cutOff(...names: string[]): Rule {
  return ({ agent, toRelay, frame }) => {
    if (frame.type === "statement") return [];
    const isCommit = !toRelay && names.includes(agent) && frame.data?.kind === "commit";
    return isCommit ? [edit(frame, { body: "AAAA" })] : undefined;
  };
}

/** Bob, an admin, is stuck together with some others when Alice demotes it, and founds the group anew. */
async function foundedInVain(world: World, ...with_: ("carol" | "dave")[]) {
  const members = await online(world, "alice", "bob", "carol", "dave");
  const { alice, bob } = members;
  const all: Member[] = Object.values(members);
  await alice.agent.groups.create("team", ["bob", "carol", "dave"]);
  await alice.agent.groups.promote("team", ["bob"]);
  await agree(all, ["alice", "bob", "carol", "dave"]);
  await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
  await allTalk(all, "before");
  world.proxy.rule = cutOff("bob", ...with_);
  await alice.agent.groups.demote("team", ["bob"]);
  for (const member of [bob, ...with_.map((name) => members[name])])
    await eventually("it is stuck", async () => (await alertsOf(member, "bad_commit")).length === 1);
  await listening(all, 200_000);
  await eventually("bob has founded it anew", async () => (await alertsOf(bob, "founded_anew")).length === 1);
  world.proxy.rule = undefined;
  return { ...members, all };
}

/** So much later that whoever asks to be taken in again has asked once more. */
async function askedAgain(clock: { offset: number }, members: Member[]): Promise<void> {
  clock.offset += PATIENCE_MS;
  await listening(members, PATIENCE_MS + 60_000);
}

/** Where somebody could not read it at first that is said, and then that it could. */
async function isHandled(sent: Sent): Promise<void> {
  await eventually("all have handled it", async () => (await sent.status()).state === "handled");
}

describe(
  "[P-15.9] an admin that founds a group anew, and has been demoted in what it missed",
  { tags: ["long"] },
  () => {
    test("goes on where the others do, who do not follow it: what was said there comes, and what it has said since", async () => {
      const clock = clockAhead();
      await using world = await World.create({ ...SAME_CLOCK, noLimits: true });
      const { alice, bob, carol, dave, all } = await foundedInVain(world);
      for (const member of [alice, carol, dave])
        await eventually(
          "it is told of another group",
          async () => (await alertsOf(member, "group_twice")).length === 1,
        );
      const missed = await alice.agent.send("@team", "where we are");
      await eventually("those who are there have it", async () => (await missed.recipients()).handled.length === 2);
      const elsewhere = await bob.agent.send("@team", "where nobody is");
      await askedAgain(clock, all);
      const late = await carol.agent.send("@team", "still here");
      for (const sent of [missed, late, elsewhere]) await isHandled(sent);
      await agree(all, ["alice", "bob", "carol", "dave"]);
      await allTalk(all, "after");
      expect((await bob.agent.groups.find("team")).admins).toEqual(["alice"]);
      expect(await alertsOf(bob, "founded_in_vain")).toHaveLength(1);
      expect((await bob.agent.groups.list()).map(({ name }) => name)).toEqual(["team"]);
      for (const { got } of all) expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
    });

    test("takes nobody with it who had followed: each comes back, too", async () => {
      const clock = clockAhead();
      await using world = await World.create({ ...SAME_CLOCK, noLimits: true });
      const { alice, carol, all } = await foundedInVain(world, "carol");
      await eventually("carol has followed", async () => (await alertsOf(carol, "founded_anew")).length === 1);
      const missed = await alice.agent.send("@team", "where we are");
      await eventually("who is there has it", async () => (await missed.recipients()).handled.length === 1);
      // Bob, and then Carol, which is taken in so much later again.
      await askedAgain(clock, all);
      await askedAgain(clock, all);
      await agree(all, ["alice", "bob", "carol", "dave"]);
      await allTalk(all, "after");
      // By what follows Carol sees that something is missing.
      await isHandled(missed);
      for (const { got } of all) expect(new Set(got.map(({ id }) => id)).size).toBe(got.length);
    });
  },
);

test("[P-15.9] an admin that is one still is followed, and nobody goes back to where it was stuck", async () => {
  const clock = clockAhead();
  await using world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const members = await online(world, "alice", "bob", "carol");
  const { alice, bob, carol } = members;
  const all = [alice, bob, carol];
  await alice.agent.groups.create("team", ["bob", "carol"]);
  await alice.agent.groups.promote("team", ["bob"]);
  await agree(all, ["alice", "bob", "carol"]);
  await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
  world.proxy.rule = cutOff("bob");
  await carol.agent.close();
  await alice.agent.groups.rename("team", "ops");
  await eventually("bob is stuck", async () => (await alertsOf(bob, "bad_commit")).length === 1);
  await listening([alice, bob], 200_000);
  await eventually("alice follows", async () => (await alertsOf(alice, "founded_anew")).length === 1);
  world.proxy.rule = undefined;
  await askedAgain(clock, [alice, bob]);
  const back = { agent: await world.open("carol"), got: carol.got };
  void back.agent.handle((message) => message.handled());
  const now = [alice, bob, back];
  await eventually("carol follows", async () => (await alertsOf(back, "founded_anew")).length === 1);
  await allTalk(now, "after", `@${(await alice.agent.groups.list())[0]?.name}`);
  for (const member of now) expect(await alertsOf(member, "founded_in_vain")).toEqual([]);
});
