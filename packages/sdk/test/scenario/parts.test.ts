/** MLS states as the store has them, in parts: what a message writes, and what no record holds. */
import { expect, test } from "vitest";
import { STATE_TABLES } from "../../src/records/group-state.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { steal } from "./attacker.ts";
import { Recorder } from "./recorder.ts";
import { turns } from "./turns.ts";
import { pairsWith } from "../../src/turn/groups.ts";
import { atRest, eventually, follow, numbered, talking, World } from "./world.ts";

const ofStates = (key: string) => STATE_TABLES.some((table) => key.startsWith(table));

test("a message writes one row of a conversation's state, as long after 20 epochs as after one", async () => {
  const { world: opened, alice, bob } = await talking();
  await using world = opened;
  await atRest(world, alice, bob);
  await alice.close();
  const written: [string, number][] = [];
  const counted = (tx: WriteTransaction): WriteTransaction => ({
    get: (key) => tx.get(key),
    list: (range) => tx.list(range),
    delete: (key) => tx.delete(key),
    put: (key, value) => {
      if (ofStates(key)) written.push([key, value.length]);
      return tx.put(key, value);
    },
  });
  const { run, crypto } = await turns(world.memory("alice"));
  const lengths = new Set<number>();
  for (let epoch = 0; epoch < 20; epoch++) {
    for (let message = 0; message < 3; message++) {
      written.length = 0;
      await run(async (turn) => {
        const [conversation] = await pairsWith(turn, "bob");
        conversation!.group = (await crypto.encrypt(conversation!.group, new Uint8Array(9), new Uint8Array())).group;
        conversation!.dirty = true;
      }, counted);
      expect(written.map(([key]) => key.split("/")[0])).toEqual(["ratchet"]);
      lengths.add(written[0]![1]);
    }
    await run(async (turn) => {
      const [conversation] = await pairsWith(turn, "bob");
      const { pending } = await crypto.update(conversation!.group);
      conversation!.group = crypto.applyUpdate(conversation!.group, pending);
      conversation!.dirty = true;
    });
  }
  expect(lengths.size).toBe(1);
  expect(Math.max(...lengths)).toBeLessThan(300);
  const { rows } = await steal(world.memory("alice"));
  expect(rows.length).toBe(5);
});

test("no record opens what was sent or read, and none but a pending commit holds the beginning of a ratchet that was used", async () => {
  await using world = await World.create({ noLimits: true });
  const recorder = new Recorder();
  const [alice, bob] = [
    await world.openFrom("alice", world.memory("alice"), recorder),
    await world.openFrom("bob", world.memory("bob"), recorder),
  ];
  follow(alice);
  follow(bob);
  const look = (name: string) => recorder.lookInto(world.folders.get(name)!.records);
  await (await alice.send("bob", "one")).handled();
  await (await bob.send("alice", "two")).handled();
  await atRest(world, alice, bob);
  const nothing = { nodes: [], used: [], parents: [] };
  for (const name of ["alice", "bob"]) expect(look(name)).toEqual({ ...nothing, leaves: ["ratchet"] });
  // A commit of Alice's waits for the relay.
  const pending = () => [...world.folders.get("alice")!.records.keys()].some((key) => key.startsWith("next/"));
  world.proxy.rule = ({ agent, toRelay, frame }) =>
    agent === "alice" && toRelay && frame.type === "commit" ? [] : undefined;
  await Promise.all(
    (await Promise.all(numbered(105).map((body) => alice.send("bob", body)))).map((one) => one.handled()),
  );
  await eventually("alice has made a commit", pending);
  await atRest(world, alice, bob);
  expect(look("alice")).toEqual({ nodes: [], used: [], parents: ["next"], leaves: ["next", "ratchet"] });
  expect(look("bob")).toEqual({ ...nothing, leaves: ["ratchet"] });
  // It is applied.
  world.proxy.rule = undefined;
  world.proxy.cut("alice");
  await eventually("alice's commit is applied", () => !pending());
  await (await alice.send("bob", "three")).handled();
  await atRest(world, alice, bob);
  for (const name of ["alice", "bob"]) expect(look(name)).toEqual({ ...nothing, leaves: ["ratchet"] });
  const { nodes, beginnings, used } = recorder.counts;
  expect(Math.min(nodes, beginnings)).toBeGreaterThan(10);
  expect(used).toBeGreaterThan(105);
});
