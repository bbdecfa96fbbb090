/** Names that could be taken for those of contacts. */
import { expect, test } from "vitest";
import { alike, noteName } from "../../src/trust/lookalikes.ts";
import { MemoryFolder, MemoryStore } from "../../src/index.ts";
import type { ReadTransaction } from "../../src/store/store.ts";
import { follow, World } from "./world.ts";

test("an agent is told of a stranger whose name looks like a contact's, or its own", { tags: ["long"] }, async () => {
  await using world = await World.create({ noLimits: true });
  const names = ["mallory-w", "agent-1", "dave"];
  const bob = await world.open("bob-m");
  follow(bob);
  for (const name of names) await (await (await world.open(name)).send("bob-m", "hello")).handled();
  expect(await bob.alerts()).toEqual([]);
  for (const name of ["rnalloryvv", "agent1", "c1ave", "bobrn", "carol"])
    await (await (await world.open(name)).send("bob-m", "hello")).handled();
  const told = (await bob.alerts()).map(({ kind, contact, text }) => [kind, contact, text.split(", but")[0]]);
  expect(told).toEqual([
    ["lookalike", "rnalloryvv", "rnalloryvv looks like your contact mallory-w"],
    ["lookalike", "agent1", "agent1 looks like your contact agent-1"],
    ["lookalike", "c1ave", "c1ave looks like your contact dave"],
    ["lookalike", "bobrn", "bobrn looks like your own name"],
  ]);
});

/** What `alike` says of a name, and how many rows it has read from a store to know that. */
async function look(store: MemoryStore, name: string): Promise<{ found: string[]; rows: number }> {
  let rows = 0;
  const found = await store.write((tx) => {
    const list: ReadTransaction["list"] = async (range) => {
      const read = await tx.list(range);
      rows += read.length;
      return read;
    };
    return alike(
      { get: (key) => tx.get(key), put: (key, value) => tx.put(key, value), delete: (key) => tx.delete(key), list },
      name,
    );
  });
  return { found, rows };
}

test("however many contacts there are, only those that look like a stranger are read, and a few are named", async () => {
  const store = new MemoryStore(new MemoryFolder());
  const contacts = Array.from({ length: 2_000 }, (_, count) => `agent-${count}`);
  // Contacts of a store from before, of which nobody has noted what they look like.
  await store.write(async (tx) => {
    for (const name of contacts) await tx.put(`contact/${name}`, "{}");
  });
  expect(await look(store, "agent77")).toEqual({ found: ["agent-77"], rows: 2_001 });
  expect(await look(store, "agent77")).toEqual({ found: ["agent-77"], rows: 1 });
  expect(await look(store, "stranger")).toEqual({ found: [], rows: 0 });
  await store.write(async (tx) => {
    for (let count = 0; count < 100; count++) {
      const name = `a-l_i${"-".repeat(count)}ce`;
      await noteName(tx, name);
      if (count % 10 === 0) await tx.put(`contact/${name}`, "{}");
    }
  });
  const { found, rows } = await look(store, "a1ice");
  expect(found).toHaveLength(3);
  expect(rows).toBeLessThan(50);
});
