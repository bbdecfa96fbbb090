/** What only another agent can try. Rows of SECURITY.md, "A peer that lies, a client that floods". */
import { expect, test } from "vitest";
import { pad, put } from "../../src/records/records.ts";
import { follow, World } from "./world.ts";

/** Puts receipts with these bodies into an agent's outbox, as no honest client does. */
function sendReceipts(world: World, from: string, to: string, bodies: string[]): Promise<void> {
  return world.memory(from).write(async (tx) => {
    for (const [index, body] of bodies.entries()) {
      const [seq, id] = [9_000 + index, `forged-${index}`];
      const row = { seq, id, kind: "receipt", to, content_type: "application/json", state: "queued" } as const;
      await put(tx, "out/", pad(seq), { ...row, created_at: Date.now(), updated_at: Date.now(), attempt: 0 });
      await tx.put(`out-body/${pad(seq)}`, body);
      await tx.put(`out-id/${id}`, String(seq));
      await tx.put(`queue/${to}/${pad(seq)}`, "");
    }
  });
}

test.each([
  ["handled", (id: string) => ({ handled: [id] })],
  ["failed", (id: string) => ({ failed: [{ id, reason: "no" }] })],
  ["undecryptable", (id: string) => ({ undecryptable: [id] })],
  ["missing", (_: string, group: string) => ({ missing: [{ group, counter: 1 }] })],
  ["received", (_: string, group: string) => ({ received: { [group]: 1 } })],
])("[A-2] a receipt that calls %s what was sent to somebody else changes nothing", async (_, receipt) => {
  await using world = await World.create();
  const [alice, carol] = [await world.open("alice"), await world.open("carol")];
  await world.open("bob");
  follow(alice);
  const sent = await alice.send("bob", "for bob alone");
  await sent.stored();
  const group = world.proxy.sentBy("alice", "commit")[0]!.data.group_id!;
  await (await carol.send("alice", "hello")).handled();
  await sendReceipts(world, "carol", "alice", [JSON.stringify(receipt(sent.id, group))]);
  await (await carol.send("alice", "behind it")).handled();
  expect((await sent.status()).state).toBe("stored");
  const again = world.proxy.sentBy("alice", "send").filter(({ data }) => data.to === "bob");
  expect(again).toEqual([]);
});

test("[A-2] malformed receipts change nothing, also where a part of them is in order", async () => {
  await using world = await World.create();
  const [alice, carol] = [await world.open("alice"), await world.open("carol")];
  follow(alice);
  follow(carol, () => Promise.resolve());
  const sent = await alice.send("carol", "for carol");
  await sent.received();
  await sendReceipts(world, "carol", "alice", [
    JSON.stringify({ handled: sent.id, received: { x: -1 } }),
    JSON.stringify({ handled: [sent.id], received: { x: -1 } }),
    JSON.stringify({ handled: [sent.id], missing: [{}] }),
    JSON.stringify(null),
    "no JSON",
    "",
  ]);
  await (await carol.send("alice", "behind them")).handled();
  expect((await sent.status()).state).toBe("received");
});
