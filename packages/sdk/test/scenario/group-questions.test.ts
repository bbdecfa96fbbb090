/** Questions to groups: whoever answers first has answered. */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { eventually, follow, rejection, World } from "./world.ts";

const silent = (message: IncomingMessage) => message.handled();
const fails = (message: IncomingMessage) => message.failed("out of paper");

/** Alice, Bob and Carol, in a group of Alice's; what the other two do with messages. */
async function team(
  world: World,
  does: Record<"bob" | "carol", (message: IncomingMessage) => Promise<unknown>>,
): Promise<Agent[]> {
  const agents = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const [alice, bob, carol] = agents as [Agent, Agent, Agent];
  for (const agent of agents) await agent.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  follow(bob, does.bob);
  follow(carol, does.carol);
  return agents;
}

test("a question to a group has the first answer for its reply, and the others are messages like others", async () => {
  await using world = await World.create({ noLimits: true });
  const { promise: answered, resolve: go } = Promise.withResolvers<void>();
  const [alice] = (await team(world, {
    bob: (message) => message.handled(message.expectsReply ? { body: "bob can" } : undefined),
    carol: async (message) => {
      await answered;
      await message.handled(message.expectsReply ? { body: "carol, too" } : undefined);
    },
  })) as [Agent];
  const heard = follow(alice);
  const asked = await alice.question("@team", "who can?");
  expect(asked.to).toBe("@team");
  const reply = await asked.reply();
  expect([reply.from, reply.body, reply.group]).toEqual(["bob", "bob can", "team"]);
  go();
  await eventually("the other answer comes", () => heard.length === 1);
  expect(heard[0]).toMatchObject({ from: "carol", body: "carol, too", replyTo: asked.id });
  expect(await alice.questions()).toMatchObject([{ to: "@team", state: "taken" }]);
  // A reply that was asked for is not one that guards count.
  const counted = await world.memory("bob").read((tx) => tx.list({ prefix: "answered/" }));
  expect(counted).toEqual([]);
});

test("a question to a group may be answered to its asker alone, and although another member has failed on it", async () => {
  await using world = await World.create({ noLimits: true });
  const { promise: failed, resolve: go } = Promise.withResolvers<void>();
  const [alice] = (await team(world, {
    bob: async (message) => {
      await message.handled();
      await failed;
      await message.reply("between us", { privately: true });
    },
    carol: fails,
  })) as [Agent];
  const asked = await alice.question("@team", "who can?");
  const sent = await alice.sent(asked.id);
  expect(await rejection(sent!.handled())).toMatchObject({ reason: "partial" });
  expect(await asked.status()).toMatchObject({ state: "open" });
  go();
  expect(await asked.reply()).toMatchObject({ from: "bob", body: "between us", group: undefined });
});

test("a question to a group is not answered by who was not asked", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, bob] = (await team(world, { bob: silent, carol: silent })) as [Agent, Agent];
  const dave = await world.open("dave");
  await dave.sync();
  const asked = await alice.question("@team", "who can?");
  await (await alice.sent(asked.id))!.handled();
  await alice.groups.add("team", ["dave"]);
  await eventually("dave is in it", async () => (await dave.groups.list()).length === 1);
  await dave.send("@team", "I can", { replyTo: asked.id });
  await (await dave.send("alice", "I can", { replyTo: asked.id })).received();
  await eventually("both are here", async () => (await alice.inbox()).length === 2);
  expect(await asked.status()).toMatchObject({ state: "open" });
  await bob.send("@team", "so can I", { replyTo: asked.id });
  expect(await asked.reply()).toMatchObject({ from: "bob" });
});

test("a question to a group that nobody can handle is over", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice] = (await team(world, { bob: fails, carol: fails })) as [Agent];
  expect(await rejection(alice.ask("@team", "who can?"))).toMatchObject({ code: "failed", reason: "partial" });
});
