/** A store of the version before, which kept each MLS state in one piece, and one of a version to come. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ClientState } from "ts-mls";
import { expect, onTestFinished, test, vi } from "vitest";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { liftStore } from "../../src/link/lift.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { STATE_TABLES } from "../../src/records/group-state.ts";
import { readPeer } from "../../src/records/members.ts";
import { get, list } from "../../src/records/records.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../../src/store/store.ts";
import { pair, update } from "../crypto/pair.ts";
import { Random, seed } from "../random.ts";
import { newFolder, openStore } from "../store/folder.ts";
import { startChild } from "../store/process.ts";
import { statesIn } from "./attacker.ts";
import { alertKinds, atRest, bodies, eventually, follow, rejection, World } from "./world.ts";

/** As the version before would have left it. @returns the states in one piece, by group */
async function lower(tx: WriteTransaction): Promise<Map<string, Uint8Array>> {
  const states = await statesIn(tx);
  for (const prefix of STATE_TABLES) for (const [key] of await tx.list({ prefix })) await tx.delete(key);
  for (const [id, state] of states) await tx.put(`mls/${id}`, state);
  for (const group of await list(tx, "group/")) {
    const { name, device, ...peer } = await readPeer(tx, group);
    await tx.put(`group/${group.id}`, JSON.stringify({ ...group, peer_device: device, ...peer }));
    await tx.delete(`member/${group.id}/${name}`);
  }
  await tx.delete("meta/format");
  return states;
}

const parts = async (tx: ReadTransaction) =>
  (await Promise.all(STATE_TABLES.map((prefix) => tx.list({ prefix })))).flat().map(([key]) => key);

async function groupWith(tx: ReadTransaction, contact: string): Promise<string> {
  const prefix = `contact-group/${contact}/`;
  return (await tx.list({ prefix })).map(([key]) => key.slice(prefix.length)).join();
}

/** Alice has written with Bob and Carol, and her store is that of the version before. */
async function before() {
  const world = await World.create();
  const [first, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [first, bob, carol]) follow(agent);
  for (const peer of [bob, carol]) await (await first.send(peer.username, "hello")).handled();
  await atRest(world, first, bob, carol);
  await first.close();
  const store = world.memory("alice");
  const states = await store.write(lower);
  expect(states.size).toBe(2);
  const decode = vi.spyOn(GroupCrypto.prototype, "decode");
  onTestFinished(() => decode.mockRestore());
  return { world, store, states, bob, carol, decode };
}

test("a store of the version before is lifted when its link begins, once, and its conversations go on", async () => {
  const { world: opened, store, states, bob, decode } = await before();
  await using world = opened;
  const group = await store.read((tx) => groupWith(tx, "bob"));
  for (let start = 0; start < 2; start++) {
    const alice = await world.open("alice");
    follow(alice);
    await (await alice.send("bob", "on we go")).handled();
    await (await bob.send("alice", "yes")).handled();
    // Those of both conversations, at the first start alone.
    expect(decode.mock.calls.length).toBe(2);
    expect(await store.read((tx) => groupWith(tx, "bob"))).toBe(group);
    const peer = await store.read((tx) => get(tx, "member/", `${group}/bob`));
    expect(peer).toMatchObject({ name: "bob", device: expect.any(String), receive_counter: expect.any(Number) });
    expect(JSON.parse(String(await store.read((tx) => tx.get(`group/${group}`))))).not.toHaveProperty(
      "receive_counter",
    );
    expect(await alertKinds(alice)).toEqual([]);
    await alice.close();
  }
  const kept = await store.read(parts);
  for (const id of states.keys())
    for (const table of STATE_TABLES) expect(kept.some((key) => key.startsWith(table + id))).toBe(true);
});

test("a conversation whose state cannot be read keeps no other from being lifted, and is set aside when it is needed", async () => {
  const { world: opened, store, bob, carol } = await before();
  await using world = opened;
  const [good, bad] = await store.read(async (tx) => [await groupWith(tx, "carol"), await groupWith(tx, "bob")]);
  await store.write((tx) => tx.put(`mls/${bad}`, new Uint8Array(99)));
  const alice = await world.open("alice");
  follow(alice);
  await (await alice.send("carol", "on we go")).handled();
  expect(await store.read((tx) => groupWith(tx, "carol"))).toBe(good);
  await (await alice.send("bob", "anew")).handled();
  expect(await store.read((tx) => groupWith(tx, "bob"))).not.toBe(bad);
  expect((await alice.alerts()).map(({ text }) => text).join()).toContain("the conversation with bob was closed");
  expect((await store.read(parts)).filter((key) => key.includes(bad))).toEqual([]);
  expect(await bodies(bob, 2)).toEqual(["hello", "anew"]);
  expect(await bodies(carol, 2)).toEqual(["hello", "on we go"]);
});

/** So many conversations in one store, each with a state in one piece. */
const MANY = 60;

async function lowered(store: ClientStore, state: Uint8Array): Promise<void> {
  await store.write(async (tx) => {
    await lower(tx);
    for (let index = 0; index < MANY; index++) await tx.put(`mls/${index}`, state);
  });
}

test(`kill -9 while a store is lifted leaves it as it was, or whole (seed ${seed})`, async () => {
  const folder = newFolder();
  const store = await openStore(folder);
  const { alice, bob } = await pair();
  for (const by of [alice, bob, alice]) await update(by, by === alice ? bob : alice);
  const state = alice.crypto.encode(alice.group);
  const old = [...Array(MANY).keys()].map((index) => `mls/${index}`).toSorted();
  const random = new Random();
  await lowered(store, state);
  for (let round = 0; round < 4; round++) {
    // At first it stands still in the midst of it.
    const child = await startChild(folder, "lift", String(round < 2 ? 1 + random.int(MANY) : 0));
    if (round >= 2)
      await new Promise((resolve) => {
        setTimeout(resolve, random.int(80));
      });
    child.process.kill("SIGKILL");
    await child.exit;
    const [format, kept] = await store.read(async (tx) => [await tx.get("meta/format"), await parts(tx)] as const);
    if (round < 2) expect(format).toBeUndefined();
    if (format === undefined) expect(kept.toSorted()).toEqual(old);
    else expect(kept.length).toBe(5 * MANY);
    if (format !== undefined) await lowered(store, state);
  }
  await liftStore(store, await GroupCrypto.load(nodeCryptoProvider));
  const whole = await store.read(statesIn);
  expect(whole.size).toBe(MANY);
  const group = alice.crypto.decode(state);
  const kept = new Map(alice.crypto.parts(group).put.map(([name, bytes]) => [name.join("/"), bytes]));
  const again = await alice.crypto.assemble(async (name) => kept.get(name.join("/")));
  for (const one of whole.values()) expect(Buffer.from(one).equals(alice.crypto.encode(again!))).toBe(true);
});

test("of a state in one piece nothing is left in the files that its parts do not have", async () => {
  const folder = newFolder();
  const store = await openStore(folder);
  const { alice } = await pair();
  await store.write((tx) => tx.put("mls/1", alice.crypto.encode(alice.group)));
  const parents = (alice.group.state as ClientState).secretTree
    .filter((_, index) => index % 2 === 1)
    .flatMap(({ handshake, application }) =>
      [handshake.secret, application.secret].map((secret) => Buffer.from(secret)),
    );
  const found = () => {
    const files = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
    return parents.filter((secret) => files.some((bytes) => bytes.includes(secret))).length;
  };
  expect(found()).toBe(2);
  await liftStore(store, alice.crypto);
  expect(await store.scrub()).toBe(true);
  expect(found()).toBe(0);
});

test("a store of a newer version is refused, also by who had it open when it was lifted", async () => {
  await using world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  const before = await world.memory("alice").read(parts);
  await world.memory("alice").write((tx) => tx.put("meta/format", "3"));
  expect(await rejection(world.open("alice"))).toMatchObject({ code: "store_newer", hint: "update aimessage" });
  world.proxy.cut("alice");
  await eventually("alice's link has stopped", async () => (await rejection(alice.users())).code === "store_newer");
  expect(await world.memory("alice").read(parts)).toEqual(before);
});
