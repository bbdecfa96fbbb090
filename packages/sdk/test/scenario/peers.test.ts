/** What the relay hears of whom the owner has written to, accepted or blocked, and what that is good for. [P-7.5] */
import { expect, test } from "vitest";
import { newAgent, randomGroup } from "../../../server/test/agent.ts";
import type { Frame } from "./proxy.ts";
import { bodies, eventually, follow, numbered, peersAreTold, rejection, withoutPeers, World } from "./world.ts";

const told = (world: World, agent: string): Frame["data"][] =>
  world.proxy.sentBy(agent, "peers").map(({ data }) => data);

test("28 strangers who fill a sleeping agent's mailbox leave room for those whom it has written to", async () => {
  await using world = await World.create({ noLimits: true, limits: { mailboxMessages: 400, handshakeMessages: 400 } });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await bob.send("alice", "write when you like")).stored();
  await bob.close();
  for (let index = 0; index < 28; index++) {
    const eve = await newAgent(world.server, `eve-${index}`);
    using client = await eve.connect();
    const { device } = (await client.ask("lookup", { username: "bob" })).data;
    const peer = Object.assign(Object.create(eve) as typeof eve, { username: "bob", deviceId: device.id });
    for (let group = 0; group < 20; group++) {
      const id = randomGroup();
      const { data } = await client.ask("commit", eve.opening(peer, id));
      if (data.status !== "committed") break;
      for (let count = 0; ; count++) {
        const junk = { to: "bob", message: "AAAA", group_id: id, epoch: 1, message_id: `m${group}-${count}` };
        if ((await client.ask("send", { ...junk, resume: true })).data.status === undefined) break;
      }
    }
  }
  follow(alice);
  for (const text of numbered(5)) expect((await (await alice.send("bob", text)).stored()).state).toBe("stored");
  const awake = await world.open("bob");
  follow(awake);
  expect((await bodies(awake, 5, 20_000)).toSorted()).toEqual(numbered(5));
});

test("whom the owner writes to is let in, once; what is only answered by receipts is not", async () => {
  await using world = await World.create();
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  follow(bob);
  for (const text of numbered(5)) await (await alice.send("bob", text)).handled();
  await (await carol.send("bob", "hello")).handled();
  expect(told(world, "alice").map(({ allow }) => allow)).toEqual([["bob"]]);
  expect(told(world, "bob")).toEqual([{ clear: "all", allow: [], block: [] }]);
  await (await bob.send("carol", "hello yourself")).stored();
  await eventually("carol is let in", () => told(world, "bob").length === 2);
  expect(told(world, "bob")[1]).toEqual({ allow: ["carol"], block: [] });
});

test("a blocked contact's messages are refused by the relay, until it is allowed again", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await bob.block("alice");
  await peersAreTold(world, "bob");
  const refused = await alice.send("bob", "are you there?");
  expect(await rejection(refused.stored())).toMatchObject({ code: "refused", reason: "blocked" });
  expect(await refused.status()).toMatchObject({ state: "refused", reason: "blocked" });
  await bob.allow("alice");
  await peersAreTold(world, "bob");
  await (await alice.send("bob", "and now?")).handled();
});

test("a relay with another log is told everything again, and forgets what it knew", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await world.open("bob");
  await world.open("carol");
  await (await alice.send("bob", "hello")).stored();
  await (await alice.send("carol", "hello")).stored();
  await alice.block("carol");
  await peersAreTold(world, "alice");
  await alice.close();
  const again = await world.open("alice");
  await again.users();
  const before = told(world, "alice").length;
  await again.close();
  await world.memory("alice").write(async (tx) => {
    const peers = JSON.parse((await tx.get("meta/peers")) as string) as { log: string };
    await tx.put("meta/peers", JSON.stringify({ ...peers, log: "another" }));
  });
  await (await world.open("alice")).users();
  await eventually("it is told again", () => told(world, "alice").length === before + 1);
  expect(told(world, "alice").at(-1)).toEqual({ clear: "all", allow: ["bob"], block: ["carol"] });
});

test("many names are told in bounded frames, as fast as the relay takes them", async () => {
  await using world = await World.create({ noLimits: true, limits: { peersPerSecond: 4_000, peersBurst: 300 } });
  const names = Array.from({ length: 1_000 }, (_, index) => `name-${String(index).padStart(4, "0")}`);
  await world.memory("alice").write(async (tx) => {
    for (const name of names) await tx.put(`peer/${name}`, "allow");
  });
  const alice = await world.open("alice");
  await alice.users();
  const record = () => world.memory("alice").read((tx) => tx.get("meta/peers"));
  await eventually("all are told", async () => ((await record()) as string | undefined)?.includes("told") === false);
  const said = told(world, "alice");
  expect(said.filter(({ clear }) => clear !== undefined).length).toBeGreaterThan(0);
  expect(new Set(said.flatMap(({ allow }) => allow as string[]))).toEqual(new Set(names));
  for (const { allow } of said) expect((allow as string[]).length).toBeLessThanOrEqual(200);
});

test("an agent at a relay that does not know the frame works as before, and asks once for each connection", async () => {
  await using world = await World.create();
  withoutPeers(world);
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  for (const text of numbered(3)) await (await alice.send("bob", text)).handled();
  expect(told(world, "alice")).toHaveLength(1);
});
