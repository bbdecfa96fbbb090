import { expect, test } from "vitest";
import { newAgent, randomGroup } from "../../packages/server/test/agent.ts";
import type { Frame } from "../../packages/sdk/test/scenario/proxy.ts";
import { follow, pause, World } from "../../packages/sdk/test/scenario/world.ts";

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
    await pause(2);
    await message.handled();
  });
  for (let count = 0; count < 5; count++) await (await alice.send("bob", String(count))).handled({ timeout: 10_000 });
  expect(got).toEqual(["0", "1", "2", "3", "4"]);
});

test("[A-3] false Welcomes do not fill the store of an agent", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled({ timeout: 10_000 });
  for (let count = 0; count < 1_100; count++) {
    const [group_id, message_id] = [String(count).padStart(64, "0"), `w${count}`];
    world.proxy.push("bob", application({ from: "eve", kind: "welcome", group_id, message_id }));
  }
  await (await alice.send("bob", "still there?")).handled({ timeout: 20_000 });
  expect(await bob.alerts()).toHaveLength(1_000);
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
  expect((await (await carol.send("bob", "I am new here")).handled({ timeout: 20_000 })).state).toBe("handled");
});
