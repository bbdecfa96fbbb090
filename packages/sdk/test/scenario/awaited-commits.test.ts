/** Commits that are on their way: whoever awaits one gives it up after time in which it has listened, whatever the clock of the day says meanwhile. */
import { expect, test } from "vitest";
import { gathered, groupOf, type Member } from "./members.ts";
import { alertsOf, allTalk } from "./team-world.ts";
import { alertKinds, caughtUp, eventually, jump, numbered, talking, World } from "./world.ts";

const HOUR_MS = 3_600_000;

/** It connects anew, and makes some turns. */
async function connectedAnew({ proxy }: World, { agent }: Pick<Member, "agent">): Promise<void> {
  const before = proxy.sentBy(agent.username, "listen").length;
  proxy.cut(agent.username);
  await eventually("it listens again", () => proxy.sentBy(agent.username, "listen").length > before);
  await caughtUp(agent);
}

test.each([
  ["ahead", HOUR_MS],
  ["back", -HOUR_MS],
])(
  "an admin whose clock is set an hour %s while a commit is on its way to it follows that, and has not asked to be taken in again",
  async (_, offset) => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    // What is pushed to Bob is still on its way.
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && !toRelay && frame.data?.["kind"] !== undefined ? [] : undefined;
    await alice.agent.groups.rename("team", "ops");
    const change = bob.agent.groups.promote("team", ["carol"]);
    await eventually("another commit was first", async () => {
      const { epoch = 0, wait_for_epoch: next = 0 } = (await groupOf(world, "bob")) ?? {};
      return next > epoch;
    });
    jump(offset);
    await connectedAnew(world, bob);
    world.proxy.rule = undefined;
    world.proxy.cut("bob");
    await change;
    await allTalk([alice, bob, carol], "after", "@ops");
    expect(await alertsOf(bob, "stale_epoch")).toEqual([]);
    expect(world.proxy.sentBy("bob", "rejoin")).toEqual([]);
  },
);

test("a conversation of two goes on where the clock is set ahead before new keys that are due are admitted", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  world.proxy.rule = ({ toRelay, frame }) =>
    toRelay && frame.type === "commit" && frame.data.epoch !== 0 ? [] : undefined;
  for (const text of numbered(220)) await alice.send("bob", text);
  await (await alice.send("bob", "the last one")).handled();
  jump(HOUR_MS);
  await connectedAnew(world, { agent: alice });
  world.proxy.rule = undefined;
  world.proxy.cut("alice");
  await (await alice.send("bob", "after")).handled();
  await eventually("bob has them", () => world.proxy.pushedTo("bob", "commit").length > 0);
  expect([...(await alertKinds(alice)), ...(await alertKinds(bob))]).not.toContain("healing_blocked");
});
