/** Clocks that are ahead for a while: nothing is too old because of them. */
import { expect, onTestFinished, test, vi } from "vitest";
import { get, list, put } from "../../src/records/records.ts";
import type { Frame } from "./proxy.ts";
import { eventually, follow, rejection, replaceNoStock, World } from "./world.ts";

const DAY_MS = 86_400_000;

/** The clock of all agents; that of the relay is right. */
function clock(): { ahead: number } {
  const moved = { ahead: 0 };
  const now = Date.now.bind(Date);
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + moved.ahead);
  onTestFinished(() => spy.mockRestore());
  return moved;
}

/** What Bob has that is deleted when it is old enough, and the secrets by which others may open conversations with him. */
async function possessions(world: World): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const prefix of ["in/", "in-body/", "seen/", "dead/", "out/", "out-body/", "key-secret/", "group/", "alert-of/"])
    counts[prefix] = await world.memory("bob").read(async (tx) => (await tx.list({ prefix })).length);
  return counts;
}

/** Of what there is less than before. */
async function missing(world: World, before: Record<string, number>): Promise<string[]> {
  const now = await possessions(world);
  return Object.keys(before).filter((prefix) => now[prefix]! < before[prefix]!);
}

/** Bob has handled a message, failed another, sent one that waits, and is at rest. */
async function settled() {
  const world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await replaceNoStock(world, "bob");
  follow(bob, (message) => (message.body === "bad" ? message.failed("no") : message.handled()));
  await (await alice.send("bob", "good")).handled();
  await rejection((await alice.send("bob", "bad")).handled());
  await alice.close();
  await (await bob.send("alice", "read this when you are back")).stored();
  await eventually("bob's stock is full", () => world.proxy.sentBy("bob", "publish_keys").length > 0);
  const before = await possessions(world);
  expect(Object.values(before).filter((count) => count === 0).length).toBeLessThanOrEqual(1);
  return { world, bob, before };
}

test("a clock that is 400 days ahead for a moment destroys nothing, nor does a start while it is", async () => {
  const { world: opened, bob, before } = await settled();
  await using world = opened;
  const moved = clock();
  moved.ahead = 400 * DAY_MS;
  // Wakes Bob's link, which sweeps where so much time has passed.
  await (await bob.send("alice", "and this")).stored();
  await bob.sync();
  expect(await missing(world, before)).toEqual([]);
  await bob.close();
  const again = await world.open("bob");
  await again.users();
  await again.sync();
  expect(await missing(world, before)).toEqual([]);
});

test("what waits with an expiry is not ended by a clock that is ahead for a moment", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== "alice" || !toRelay || frame.type !== "claim_keys") return undefined;
    const data: Frame["data"] = { code: 404, reason: "no_key_packages", message: "" };
    world.proxy.answer("alice", frame.id!, { type: "error", data });
    return [];
  };
  const sent = await alice.send("bob", "within the hour", { expiresIn: 3_600_000 });
  await eventually("it waits", () => world.proxy.sentBy("alice", "claim_keys").length > 0);
  const moved = clock();
  moved.ahead = DAY_MS;
  await alice.users();
  expect((await sent.status()).state).toBe("queued");
  moved.ahead = 0;
  world.proxy.rule = undefined;
  follow(bob);
  await alice.outbox.retry(sent.id);
  expect((await sent.handled()).state).toBe("handled");
});

test("a clock that has been off for a day in the same way is believed: what is old goes", async () => {
  await using world = await World.create();
  const moved = clock();
  moved.ahead = 400 * DAY_MS;
  await (await world.open("bob")).close();
  const store = world.memory("bob");
  const old = Date.now() - 40 * DAY_MS;
  await store.write(async (tx) => {
    await tx.put(
      `in/${"1".padStart(16, "0")}`,
      JSON.stringify({ seq: 1, id: "m", from: "alice", received_at: old, state: "handled", settled_at: old }),
    );
  });
  const left = () => store.read((tx) => list(tx, "in/"));
  const visit = async () => {
    const bob = await world.open("bob");
    await bob.users();
    await bob.close();
  };
  await visit();
  expect((await left()).length).toBe(1);
  await store.write(async (tx) => {
    const relay = await get(tx, "meta/relay");
    await put(tx, "meta/relay", "", { ...relay!, clock_since: Date.now() - DAY_MS });
  });
  await visit();
  expect(await left()).toEqual([]);
});
