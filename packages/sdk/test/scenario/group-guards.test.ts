/** Guards and tiers of what comes in groups: by its sender, as if it had written to us alone. [P-9.14] */
import { expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { eventually, follow, numbered, World } from "./world.ts";

/** Alice has founded a team with Bob and Carol. */
async function team() {
  const world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [bob, carol]) await agent.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  for (const agent of [bob, carol])
    await eventually("it is in it", async () => (await agent.groups.list()).length === 1);
  return { world, alice, bob, carol };
}

const guardAlerts = async (agent: Agent) => (await agent.alerts()).filter(({ kind }) => kind === "guard");

test("a flood of one member waits, and comes when the owner releases it; another member's messages pass", async () => {
  const { world: opened, alice, bob, carol } = await team();
  await using _ = opened;
  await bob.guard.set({ messages_per_hour: 2 });
  const got = follow(bob);
  for (const text of numbered(4)) await alice.send("@team", text);
  // What goes to us alone counts with what goes to the team.
  await alice.send("bob", "to you alone");
  await carol.send("@team", "hello");
  await eventually("three have come", () => got.length === 3);
  await eventually("the rest waits", async () => (await bob.guard.list())[0]?.messages === 3);
  expect(got.map(({ body }) => body).toSorted()).toEqual([...numbered(2), "hello"].toSorted());
  expect(await guardAlerts(bob)).toMatchObject([{ contact: "alice" }]);
  await bob.guard.release("alice");
  await eventually("all have come", () => got.length === 6);
  expect(got.filter(({ group }) => group === "team").map(({ from, body }) => `${from} ${body}`)).toEqual(
    expect.arrayContaining(numbered(4).map((text) => `alice ${text}`)),
  );
});

test("the tier of a message of a group is its sender's, and a trusted one may send ten times as much", async () => {
  const { world: opened, alice, bob, carol } = await team();
  await using _ = opened;
  await bob.verify("alice", alice.fingerprint);
  await bob.setTier("alice", "trusted");
  await bob.guard.set({ messages_per_hour: 1 });
  const got = follow(bob);
  for (const text of numbered(3)) await alice.send("@team", text);
  for (const text of numbered(3)) await carol.send("@team", text);
  await eventually("one of carol's waits", async () => (await bob.guard.list())[0]?.messages === 2);
  await eventually("four have come", () => got.length === 4);
  expect(got.map(({ from, trust }) => `${from} ${trust}`).toSorted()).toEqual([
    "alice trusted",
    "alice trusted",
    "alice trusted",
    "carol unknown",
  ]);
  expect(await bob.guard.list()).toMatchObject([{ username: "carol" }]);
});

test("[A-14] programs that answer every answer in a group are stopped", async () => {
  const { world: opened, alice, bob, carol } = await team();
  await using _ = opened;
  for (const agent of [alice, bob, carol]) {
    await agent.guard.set({ answers_per_exchange: 4 });
    follow(agent, (message) => message.handled({ body: "and I say" }));
  }
  await alice.send("@team", "hello");
  await eventually("all of them hold", async () => {
    const held = await Promise.all([alice, bob, carol].map((agent) => agent.guard.list()));
    return held.every((each) => each.length > 0);
  });
  // Two answer one, and each of them is answered by two others: 2 + 4 + 8 + 16, of which the last wait.
  await Promise.all([alice, bob, carol].map((agent) => agent.sync()));
  const sent = await Promise.all([alice, bob, carol].map((agent) => agent.outbox.list({ all: true })));
  expect(sent.flat().length).toBeLessThanOrEqual(1 + 2 + 4 + 8 + 16);
});

test("[A-14] what answers a group's message in private counts in its exchange, too, and a person's word in the group goes on", async () => {
  const { world: opened, alice, bob } = await team();
  await using _ = opened;
  await bob.guard.set({ answers_per_exchange: 3 });
  follow(alice, (message) => message.handled({ body: "again", options: { privately: true } }));
  const got = follow(bob, (message) => message.handled({ body: "and again", options: { privately: true } }));
  await alice.send("@team", "hello");
  await eventually("bob's guard holds", async () => (await bob.guard.list())[0]?.username === "alice");
  const { length } = got;
  await got[0]?.reply("I see to it", { byPerson: true });
  await eventually("what has waited is let in", () => got.length > length);
});
