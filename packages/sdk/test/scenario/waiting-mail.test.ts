/** What waits, and must not wait for ever: for room, for keys, for its turn, for the last moment of its sender. */
import { getEventListeners } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { connect } from "../../src/wire/connect.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { edit } from "./proxy.ts";
import { alertKinds, atRest, caughtUp, eventually, follow, numbered, World } from "./world.ts";

const DAY_MS = 86_400_000;

test("that a message was handled reaches its sender although its mailbox was full for a while", async () => {
  await using world = await World.create({ limits: { mailboxMessages: 16 } });
  const before = await world.open("alice");
  const bob = await world.open("bob");
  const sent = await before.send("bob", "do it");
  const taken = Promise.withResolvers<() => Promise<void>>();
  follow(bob, async (message) => taken.resolve(() => message.handled()));
  await sent.received();
  await before.close();
  for (const text of numbered(6))
    await bob
      .send("alice", text)
      .then((note) => note.stored())
      .catch(() => undefined);
  await (
    await taken.promise
  )();
  await eventually("the receipt was refused", () =>
    world.proxy.recorded.some(({ agent, frame }) => agent === "bob" && frame.data?.["reason"] === "mailbox_full"),
  );
  const alice = await world.open("alice");
  follow(alice);
  await eventually("alice hears of it", async () => (await alice.status(sent.id))?.state === "handled");
});

test("who is handed a message, handles it slowly and closes has told its sender", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  const sent = await alice.send("bob", "hello");
  for await (const message of bob.messages()) {
    await sent.received();
    await atRest(world, alice, bob);
    await message.handled();
    break;
  }
  await bob.close();
  expect((await sent.handled()).state).toBe("handled");
});

test("what cannot be opened for now expires in time, whether or not the relay is there", async () => {
  await using world = await World.create({ limits: { addressClaimsPerSecond: 0.0001, addressClaimsBurst: 0 } });
  const alice = await world.open("alice");
  await world.open("bob");
  const refused = await alice.send("bob", "no keys are handed out", { expiresIn: 300 });
  await eventually("it is over", async () => (await refused.status()).state === "expired");
  await world.stopRelay();
  const alone = await alice.send("bob", "no relay", { expiresIn: 300 });
  await eventually("it is over, too", async () => (await alone.status()).state === "expired");
});

test("agents that were asleep for three months can still be written to", async () => {
  let ahead = 0;
  await using world = await World.create({ clock: () => Date.now() + ahead, uptime: () => Date.now() + ahead });
  const bob = await world.open("bob");
  await bob.users();
  await bob.close();
  ahead = 89.5 * DAY_MS;
  const alice = await world.open("alice");
  const sent = await alice.send("bob", "hello");
  // No package of bob's is handed out that could not be used any more.
  await eventually("keys are refused", () =>
    world.proxy.recorded.some(({ agent, toRelay, frame }) => agent === "alice" && !toRelay && frame.type === "error"),
  );
  await caughtUp(alice);
  expect((await sent.status()).state).toBe("queued");
  // Here the relay's clock alone has gone on.
  expect(await alertKinds(alice)).toEqual(["clock"]);
});

test("a key package that is not acceptable is not handed out again and again", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await bob.users();
  let spoilt = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || toRelay || frame.type !== "keys" || spoilt > 0) return undefined;
    spoilt += 1;
    return [{ ...frame, data: { ...frame.data, key_package: "AAAA" } }];
  };
  expect((await (await alice.send("bob", "hello")).stored()).state).toBe("stored");
  const claims = world.proxy.sentBy("alice", "claim_keys").map(({ data }) => data["another"]);
  expect(claims).toEqual([undefined, true]);
});

test("many messages to one contact do not hold up one to another", async () => {
  await using world = await World.create({ noLimits: true });
  const alice = await world.open("alice");
  for (const name of ["bob", "zoe"]) {
    await world.open(name);
    await (await alice.send(name, "first")).stored();
  }
  await Promise.all(numbered(1_500).map((text) => alice.send("bob", text)));
  await (await alice.send("zoe", "one")).stored({ timeout: 60_000 });
  const waiting = (await alice.outbox.list()).filter(({ state }) => state === "queued").length;
  expect(waiting).toBeGreaterThan(500);
});

test("answers that were lost, and came in another order when repeated, make no store an old copy", async () => {
  await using world = await World.create();
  const [alice, carol, bob] = [await world.open("alice"), await world.open("carol"), await world.open("bob")];
  const task = Promise.withResolvers<() => Promise<void>>();
  follow(alice, async (message) =>
    message.body === "slow task" ? task.resolve(() => message.handled()) : message.handled(),
  );
  follow(carol);
  follow(bob, async (message) => (message.body === "asks for a receipt" ? undefined : message.handled()));
  await (await bob.send("carol", "hello")).handled();
  await (await alice.send("bob", "hello")).handled();
  await (await bob.send("alice", "slow task")).received();
  await atRest(world, alice, bob, carol);
  await carol.close();
  const sends = () => world.proxy.sentBy("bob", "send").length;
  const before = sends();
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "bob" && !toRelay && frame.type === "ack" && frame.data.message_id !== undefined ? [] : undefined;
  await bob.send("carol", "X");
  await eventually("X has left", () => sends() > before);
  await alice.send("bob", "asks for a receipt");
  await eventually("the receipt has left", () => sends() > before + 1);
  world.proxy.rule = undefined;
  world.proxy.cut("bob");
  await eventually("both are repeated", () => sends() > before + 3);
  await atRest(world, alice, bob);
  // Alice's receipt says that she has read bob's, and bob forgets it.
  await (
    await task.promise
  )();
  await atRest(world, alice, bob);
  await bob.close();
  const again = await world.open("bob");
  await again.users();
  expect(await alertKinds(again)).toEqual([]);
});

test("a connection that is over leaves nothing on the signal that could end it", async () => {
  await using world = await World.create();
  const stopping = new AbortController();
  for (let count = 0; count < 5; count++)
    (await connect(nodeTransport, new URL(world.server), () => undefined, stopping.signal)).close();
  expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
});

test("much that has waited is decrypted together; what was dented on its way is asked for again, and all of it comes once", async () => {
  await using world = await World.create({ noLimits: true });
  const [alice, awake] = [await world.open("alice"), await world.open("bob")];
  follow(awake);
  await (await alice.send("bob", "hello")).handled();
  await awake.close();
  const sent = await Promise.all(numbered(40).map((text) => alice.send("bob", text)));
  for (const one of sent) await one.stored();
  let count = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    const { kind, message = "" } = frame.data;
    const isOne = agent === "bob" && !toRelay && frame.type === "offline_message" && kind === undefined;
    if (!isOne || ++count !== 20) return undefined;
    const bytes = Buffer.from(message, "base64");
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    return [edit(frame, { message: bytes.toString("base64") })];
  };
  const together = vi.spyOn(GroupCrypto.prototype, "decryptAll");
  onTestFinished(() => together.mockRestore());
  const bob = await world.open("bob");
  const got: string[] = [];
  follow(bob, async (message) => {
    got.push(message.body);
    await message.handled();
  });
  for (const one of sent) await one.handled();
  expect(got.toSorted()).toEqual(numbered(40).toSorted());
  const runs = await Promise.all(together.mock.results.map(({ value }) => value));
  expect(runs.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(30);
});
