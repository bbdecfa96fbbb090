import { expect, test } from "vitest";
import { newAgent, randomGroup } from "../../packages/server/test/agent.ts";
import { owed } from "../../packages/sdk/src/records/owed.ts";
import type { Frame } from "../../packages/sdk/test/scenario/proxy.ts";
import {
  alertKinds,
  atRest,
  bodies,
  caughtUp,
  eventually,
  follow,
  World,
} from "../../packages/sdk/test/scenario/world.ts";

const DAY_MS = 86_400_000;

const application = (data: Frame["data"]): Frame => ({
  type: "message",
  data: { kind: "application", message: "AAAA", group_id: "0".repeat(64), timestamp: 1, ...data },
});

test("names and ids that no agent has do not spoil the receipts for those that have one", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(alice);
  const got: string[] = [];
  follow(bob, async (message) => {
    got.push(message.body);
    for (const [from, message_id] of [
      ["alice", "x".repeat(100)],
      ["alice", "\0"],
      ["a/b", "m1"],
      ["__proto__", "m2"],
      ["", "m3"],
    ] as const)
      world.proxy.push("bob", application({ from, message_id }));
    await caughtUp(bob);
    await message.handled();
  });
  for (let count = 0; count < 5; count++) await (await alice.send("bob", String(count))).handled();
  expect(got).toEqual(["0", "1", "2", "3", "4"]);
});

test("[A-3] false Welcomes do not fill the store of an agent", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  for (let count = 0; count < 1_100; count++) {
    const [group_id, message_id] = [String(count).padStart(64, "0"), `w${count}`];
    world.proxy.push("bob", application({ from: "eve", kind: "welcome", group_id, message_id }));
  }
  await (await alice.send("bob", "still there?")).handled();
  expect((await bob.alerts()).map(({ kind, contact, count }) => [kind, contact, count])).toEqual([
    ["welcome_without_key", "eve", 1_100],
  ]);
});

test("[A-3] a stranger who writes much that is not readable takes nobody else's place", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, carol] = [await world.open("bob"), await world.open("carol")];
  follow(bob);
  await bob.users();
  const eve = await newAgent(world.server, "eve");
  using client = await eve.connect();
  const { device } = (await client.ask("lookup", { username: "bob" })).data;
  const group = randomGroup();
  const peer = Object.assign(Object.create(eve) as typeof eve, { username: "bob", deviceId: device.id });
  await client.ask("commit", eve.opening(peer, group));
  const junk = { to: "bob", message: "AAAA", group_id: group, epoch: 1 };
  for (let count = 0; count < 300; count++) client.write("send", { ...junk, message_id: `junk-${count}` });
  await client.ask("heartbeat");
  expect((await (await carol.send("bob", "I am new here")).handled()).state).toBe("handled");
});

test("[A-3] of strangers that open conversations a thousand become contacts in a day, and those who are keep their place", async () => {
  await using world = await World.create({ noLimits: true });
  const [bob, alice] = [await world.open("bob"), await world.open("alice")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  const yesterday = Math.floor(Date.now() / DAY_MS) - 1;
  await remember(world, "meta/strangers", `${yesterday + 1} 999`);
  // Nor are more names answered today whose messages were not readable.
  const names = Array.from({ length: 200 }, (_, index) => `name-${index}`);
  await remember(world, "meta/unknown", [yesterday + 1, ...names].join(" "));
  await (await (await world.open("carol")).send("bob", "the last one")).handled();
  const late = await (await world.open("dave")).send("bob", "one too many");
  await eventually("bob is told", async () => (await alertKinds(bob)).includes("too_many_strangers"));
  await (await alice.send("bob", "I am none")).handled();
  expect(await bodies(bob, 3)).toEqual(["hello", "the last one", "I am none"]);
  expect((await bob.contacts()).map(({ username }) => username).toSorted()).toEqual(["alice", "carol"]);
  expect((await late.status()).state).toBe("stored");
  // Of another day the count says nothing.
  await remember(world, "meta/strangers", `${yesterday} 1001`);
  await (await (await world.open("erin")).send("bob", "on the next day")).handled();
});

test("[A-3] two hundred names are answered in a day, however often, if nothing readable has come from them", async () => {
  await using world = await World.create();
  const bob = await world.open("bob");
  for (const name of ["eve", "mallory", "trudy"]) await world.open(name);
  await bob.users();
  const names = Array.from({ length: 198 }, (_, index) => `name-${index}`);
  await remember(world, "meta/unknown", [Math.floor(Date.now() / DAY_MS), ...names].join(" "));
  for (const [index, from] of ["eve", "eve", "mallory", "trudy", "mallory"].entries())
    world.proxy.push("bob", application({ from, message_id: `m${index}` }));
  await eventually("mallory is answered", () => claimedBy(world, "bob").includes("mallory"));
  await atRest(world, bob);
  expect(new Set(claimedBy(world, "bob"))).toEqual(new Set(["eve", "mallory"]));
});

test.each([
  ["a stranger", "two hundred", 200],
  ["a contact that was accepted", "a thousand", 1_000],
])(
  "[A-3] what is written in the name of %s that cannot be told is remembered up to %s messages",
  { tags: ["long"] },
  async (who, _, most) => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    follow(bob);
    await (await alice.send("bob", "hello")).handled();
    if (who !== "a stranger") await bob.allow("alice");
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && toRelay && frame.type === "send" ? [] : undefined;
    for (let count = 0; count < 2_000; count++)
      world.proxy.push("bob", application({ from: "alice", message_id: `junk-${count}` }));
    const told = async (): Promise<number> =>
      world.memory("bob").read(async (tx) => (await tx.list({ prefix: owed("alice", "lost") })).length);
    await eventually("so many are remembered", async () => (await told()) >= most);
    await caughtUp(bob);
    expect(await told()).toBe(most);
  },
);

/** Writes into Bob's store, as if he had been through it. */
function remember(world: World, key: string, value: string): Promise<void> {
  return world.memory("bob").write((tx) => tx.put(key, value));
}

function claimedBy(world: World, agent: string): (string | undefined)[] {
  return world.proxy.sentBy(agent, "claim_keys").map(({ data }) => data.username);
}
