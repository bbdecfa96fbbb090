/** Room for messages that wait for the owner's consent: nothing that waits goes for another one. [P-9.13] */
import { expect, test } from "vitest";
import { utf8 } from "../../src/protocol/index.ts";
import type { InboxRecord } from "../../src/records/tables.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { WriteTransaction } from "../../src/store/store.ts";
import { heldOf, hold, holders, letHeldIn } from "../../src/trust/held.ts";

let seq = 0;

/** Holds a message of a stranger's. */
const from = (tx: WriteTransaction, name: string, body: Uint8Array) => {
  seq += 1;
  const row: InboxRecord = {
    seq,
    id: `sent-${seq}`,
    local_id: `here-${seq}`,
    from: name,
    from_name: name,
    content_type: "text/plain",
    sent_at: seq,
    received_at: seq,
    offline: false,
    verified: false,
    state: "unhandled",
  };
  return hold(tx, { why: "consent", row, body });
};

test("[A-13] of a thousand strangers each waits, the first one too; the next is refused, until there is a place", async () => {
  const store = new MemoryStore();
  const bodies = ["of a friend's friend", "once more", "and again"];
  const held = await store.write(async (tx) => {
    const outcomes = new Map<string, number>();
    for (const body of bodies) await from(tx, "dave", utf8(body));
    for (let count = 1; count < 1_000; count++) {
      const outcome = await from(tx, `stranger-${count}`, utf8("spam"));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    return outcomes;
  });
  expect([...held]).toEqual([["first", 999]]);
  await store.write(async (tx) => {
    expect(await from(tx, "one-too-many", utf8("let me in"))).toBe("full");
    expect((await heldOf(tx, "consent", "dave")).map(({ body }) => body)).toEqual(bodies.map(utf8));
    expect(await holders(tx, "consent")).toHaveLength(1_000);
    // Those who wait already have room of their own.
    expect([await from(tx, "dave", utf8("still here")), await from(tx, "stranger-1", utf8("spam"))]).toEqual([
      "more",
      "more",
    ]);
    expect(await letHeldIn(tx, "consent", "dave")).toBe(4);
    expect(await from(tx, "one-too-many", utf8("let me in"))).toBe("first");
  });
});

test("[A-13] strangers with large messages leave room for others, and take nobody's", async () => {
  const store = new MemoryStore();
  const large = new Uint8Array(512 * 1024);
  await store.write(async (tx) => {
    await from(tx, "dave", utf8("of a friend's friend"));
    let taken = 0;
    for (const name of ["a", "b", "c", "d", "e", "f", "g", "h"])
      for (let count = 0; count < 20; count++) if ((await from(tx, name, large)) !== "full") taken += large.length;
    expect(taken).toBeLessThan(16 * 2 ** 20);
    expect(await from(tx, "carol", utf8("a short word"))).toBe("first");
    expect((await heldOf(tx, "consent", "dave")).map(({ body }) => body)).toEqual([utf8("of a friend's friend")]);
  });
});
