/** What is kept of groups, and for how long. */
import { expect, test } from "vitest";
import { replaceDevice } from "../../src/account/replace-device.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { use } from "../../src/delivery/packages.ts";
import { sweep } from "../../src/link/retention.ts";
import { TeamWork } from "../../src/link/team-work.ts";
import { fromBase64, type RelayFrameData, splitLengthPrefixed } from "../../src/protocol/index.ts";
import { retireReplaced } from "../../src/conversation/team-founded.ts";
import { STATE_TABLES } from "../../src/records/group-state.ts";
import type { CommitRecord } from "../../src/records/group-records.ts";
import { readAccount } from "../../src/records/own-account.ts";
import { list, pad, put, remove } from "../../src/records/records.ts";
import { deleteRow } from "../../src/turn/outbox-rows.ts";
import { Between } from "../../src/turn/between.ts";
import { type Team, teamOf, trimGroups, type Groups } from "../../src/turn/groups.ts";
import { nothingUnderWay, turns } from "./turns.ts";
import { caughtUp, eventually, follow, rejection, World } from "./world.ts";

/** Alice, Bob and Carol in a group. */
async function team() {
  const world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  for (const agent of [alice, bob, carol]) follow(agent);
  await Promise.all([alice.sync(), bob.sync(), carol.sync()]);
  await alice.groups.create("team", ["bob", "carol"]);
  const keys = async (of: string, prefix: string) =>
    (await world.memory(of).read((tx) => tx.list({ prefix }))).map(([key]) => key);
  return { world, alice, bob, carol, keys };
}

test("names of those whom messages are for stand once until they change, and go with the last message to these", async () => {
  const { world: opened, alice, keys } = await team();
  await using world = opened;
  await (await alice.send("@team", "one")).handled();
  await alice.groups.rename("team", "ops");
  const second = await alice.send("@ops", "two, in another epoch");
  await second.handled();
  expect(await keys("alice", "roster/")).toHaveLength(1);
  await alice.groups.remove("ops", ["carol"]);
  const third = await alice.send("@ops", "three, to others");
  await third.handled();
  expect(await keys("alice", "roster/")).toHaveLength(2);
  expect((await second.recipients()).handled).toEqual(["bob", "carol"]);
  expect((await third.recipients()).handled).toEqual(["bob"]);
  await alice.close();
  const store = world.memory("alice");
  const { run } = await turns(store);
  const forget = (body: number) =>
    run(async (turn) => {
      const rows = (await list(turn.tx, "out/")).filter(({ kind }) => kind === "message");
      for (const row of rows.slice(0, body)) await deleteRow(turn, row);
    });
  await forget(1);
  expect(await keys("alice", "roster/")).toHaveLength(2);
  await forget(1);
  expect(await keys("alice", "roster/")).toHaveLength(1);
  await forget(1);
  expect(await keys("alice", "roster")).toEqual([]);
  expect(await keys("alice", "to/")).toEqual([]);
});

test("of a group that one has left no keys are kept, and what waits for it says so", async () => {
  const { world: opened, alice, carol, keys } = await team();
  await using world = opened;
  await (await alice.send("@team", "one")).handled();
  await (await carol.send("@team", "two")).handled();
  await caughtUp(carol);
  await carol.close();
  await alice.groups.remove("team", ["carol"]);
  world.proxy.rule = ({ agent }) => (agent === "carol" ? "cut" : undefined);
  const again = await world.open("carol");
  const sent = await again.send("@team", "too late");
  world.proxy.rule = undefined;
  expect(await rejection(sent.handled())).toMatchObject({ reason: "not_a_member" });
  await eventually("it is out", async () => (await again.groups.list()).length === 0);
  await again.close();
  const [{ key } = { key: "" }] = await world.memory("carol").read((tx) => list(tx, "team/"));
  // Two are counted in which it is, or may be, still.
  const counted = { since: Date.now(), answers: 7, heard: 0 };
  await world.memory("carol").write(async (tx) => {
    for (const to of [`@${key}`, "@another", "bob"]) await put(tx, "answered/", to, counted);
  });
  const { run } = await turns(world.memory("carol"));
  await run((turn) => sweep(turn, true));
  expect(await keys("carol", "answered/")).toEqual(["answered/@another", "answered/bob"]);
  for (const prefix of ["mls/", "tree/", "ratchet/", "team-member/", "heal/", "queue/@"])
    expect(await keys("carol", prefix)).toEqual([]);
  expect(await keys("carol", "team-group/")).toHaveLength(1);
});

test("of all groups that are over for long nothing is known any more, however many they are", async () => {
  const { world: opened, alice, keys } = await team();
  await using world = opened;
  await alice.close();
  const over = { state: "closed", key: "", epoch: 2, send_counter: 0, base: 0, wait_for_epoch: 0 } as const;
  await world.memory("alice").write(async (tx) => {
    for (let one = 0; one < 700; one++)
      await put(tx, "team-group/", `~${pad(one)}`, { ...over, id: `~${pad(one)}`, created_at: 0, closed_at: 0 });
  });
  const { run } = await turns(world.memory("alice"));
  for (let round = 0; round < 6; round++) await run((turn) => sweep(turn, true));
  expect(await keys("alice", "team-group/")).toHaveLength(1);
});

test("of the groups of an old copy nothing is left that only its device could go on with, but what its owner wants of them", async () => {
  const { world: opened, alice, keys } = await team();
  await using world = opened;
  await (await alice.send("@team", "one")).handled();
  await alice.close();
  const store = world.memory("alice");
  const { crypto } = await turns(store);
  const [{ id, key } = { id: "", key: "" }] = await store.read((tx) => list(tx, "team-group/"));
  const op = { key, group: id, names: ["dave"], keys_kept: true as const, at: 1 };
  const account = await store.write(async (tx) => {
    await put(tx, "op/", pad(98), { ...op, seq: 98, kind: "refound" });
    await put(tx, "op/", pad(99), { ...op, seq: 99, kind: "add" });
    for (const seq of [98, 99]) await put(tx, "op-keys/", pad(seq), { keys: [] });
    await tx.put(`stuck/${id}`, "1");
    await tx.put(`order-wait/${id}/${pad(3)}/${pad(1)}`, "{}");
    return readAccount(tx);
  });
  await replaceDevice(store, crypto, account!);
  for (const prefix of ["order", "heal/", "stuck/", "op-keys/"]) expect(await keys("alice", prefix)).toEqual([]);
  const { keys_kept: _kept, ...anew } = { ...op, seq: 99, kind: "add" };
  expect(await store.read((tx) => list(tx, "op/"))).toEqual([anew]);
});

test("key packages are known as used until the relay has said what became of their commit, and while others wait that were claimed before", async () => {
  const { world: opened, alice } = await team();
  await using world = opened;
  await alice.close();
  const { run, cache } = await turns(world.memory("alice"));
  const flight = nothingUnderWay();
  const work = new TeamWork(undefined as never, flight);
  const keys = { key_package: "a key package" } as RelayFrameData<"keys">;
  const keepKeys = (kept: boolean) =>
    run(async ({ tx }) => (kept ? put(tx, "op-keys/", pad(99), { keys: [keys] }) : remove(tx, "op-keys/", pad(99))));
  const isUsed = () =>
    run(async (turn) => {
      await work.look(turn);
      return flight.packages.size === 1;
    });
  use(flight, "a group", [keys]);
  cache.commits.set("a group", { group: "a group", frame: "" } as CommitRecord);
  expect(await isUsed()).toBe(true);
  cache.commits.clear();
  await keepKeys(true);
  expect(await isUsed()).toBe(true);
  await keepKeys(false);
  expect(await isUsed()).toBe(false);
});

test("of any number of groups so many are in memory as have eight thousand leaves, those that were used last", async () => {
  const groups: Groups = new Map();
  const turn = {
    teams: { width: (group: Group) => Number(group) },
    cache: { groups, commits: new Map([["under way", 1]]), between: new Between() },
  };
  const use = (id: string, width: number, dirty = false) => {
    const record = { epoch: 1, wait_for_epoch: 0 };
    groups.set(id, { kind: "team", record, group: width, dirty, changed: new Set() } as unknown as Team);
    trimGroups(turn);
  };
  use("under way", 1_024);
  use("unwritten", 1_024, true);
  for (let one = 1; one <= 500; one++) use(`small ${one}`, 4);
  expect(groups.size).toBe(502);
  for (let one = 1; one <= 500; one++) use(`large ${one}`, 1_024);
  expect([...groups.keys()]).toEqual([
    "under way",
    "unwritten",
    ...[495, 496, 497, 498, 499, 500].map((one) => `large ${one}`),
  ]);
});

test("a group that is not in memory any more is read again where it is needed, and goes on as before", async () => {
  const { world: opened, alice, bob } = await team();
  await using world = opened;
  await (await alice.send("@team", "one")).handled();
  await alice.close();
  const { run, cache } = await turns(world.memory("alice"));
  const [{ id } = { id: "" }] = await world.memory("alice").read((tx) => list(tx, "team-group/"));
  const before = await run(async (turn) => {
    const found = (await teamOf(turn, id)) as Team;
    found.record.wait_for_epoch = 1;
    found.dirty = true;
    return found;
  });
  expect(cache.groups.get(id)).toBe(before);
  cache.groups.clear();
  const after = await run((turn) => teamOf(turn, id));
  expect(after?.record).toEqual(before.record);
  const again = await world.open("alice");
  follow(again);
  await (await again.send("@team", "two")).handled();
  await (await bob.send("@team", "three")).handled();
});

test("a group that was replaced long ago is left by a word that is signed, and no keys of it are kept", async () => {
  const { world: opened, alice, keys } = await team();
  await using world = opened;
  await (await alice.send("@team", "one")).handled();
  await alice.close();
  const store = world.memory("alice");
  const [group] = await store.read((tx) => list(tx, "team-group/"));
  const { id } = group!;
  await store.write((tx) => put(tx, "team-group/", id, { ...group!, state: "replaced", replaced_at: 1 }));
  await (await turns(store)).run((turn) => retireReplaced(turn, id, Date.now()));
  const [[op], [closed]] = await store.read(async (tx) => [await list(tx, "op/"), await list(tx, "team-group/")]);
  expect(op).toMatchObject({ kind: "leave", group: id });
  expect(splitLengthPrefixed(fromBase64(op?.statement ?? ""))).toHaveLength(1);
  expect(closed?.closed_at).toBeDefined();
  for (const table of STATE_TABLES) expect(await keys("alice", `${table}${id}/`)).toEqual([]);
});
