/** What waits for its next attempt costs those behind it nothing, however much it is. */
import { expect, test } from "vitest";
import { moveOn } from "../../../../test/clocks.ts";
import { claimNext, WaitWatch } from "../../src/agent/claims.ts";
import { get, pad, put } from "../../src/records/records.ts";
import { type InboxRecord } from "../../src/records/tables.ts";
import { World } from "./world.ts";

const HOUR_MS = 3_600_000;
const SOON_MS = 2_000;

/** An inbox to which messages are added by hand, and a listener that counts the rows it reads. */
async function inbox(ordered = false) {
  const world = await World.create();
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  await (await alice.send("bob", "hello")).stored();
  await bob.sync();
  await bob.close();
  const store = world.memory("bob");
  const row = await store.read((tx) => get(tx, "in/", pad(1)));
  if (row === undefined) throw new Error("nothing has come");
  const add = (seqs: number[], more: Partial<InboxRecord>) =>
    store.write(async (tx) => {
      for (const seq of seqs) {
        await put(tx, "in/", pad(seq), { ...row, id: `m${seq}`, seq, ...more });
        await tx.put(`unhandled/${pad(seq)}`, "");
      }
    });
  const watch = new WaitWatch({ graceMs: 0, hasJumped: () => false });
  const reads = { count: 0 };
  const is = () => (reads.count += 1) > 0;
  const next = () => claimNext(store, { by: "me" }, { is, ordered }, watch);
  const claim = async () => {
    const claimed = await next();
    return "row" in claimed ? claimed.row.seq : undefined;
  };
  const handled = (seqs: number[]) =>
    store.write(async (tx) => {
      for (const seq of seqs) {
        await put(tx, "in/", pad(seq), { ...row, id: `m${seq}`, seq, state: "handled" });
        await tx.delete(`unhandled/${pad(seq)}`);
      }
    });
  return {
    add,
    claim,
    next,
    handled,
    reads,
    redelivery: () => store.write((tx) => tx.put("meta/redelivered", "1")),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

const from = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index);

test("messages behind thousands that wait for their next attempt are found without a look at those", async () => {
  await using waiting = await inbox();
  const { add, claim, reads } = waiting;
  await add(from(1, 3_000), { retry_at: Date.now() + HOUR_MS, retry_after: HOUR_MS });
  for (let seq = 5_001; seq <= 5_100; seq++) {
    await add([seq], {});
    expect(await claim()).toBe(seq);
  }
  expect(await claim()).toBeUndefined();
  // Now and then all are looked at: others may have changed them.
  expect(reads.count).toBeLessThan(20_000);
});

test("those whose time has come are found in their order, before what came later", async () => {
  await using waiting = await inbox();
  const { add, claim } = waiting;
  await add(from(1, 100), { retry_at: Date.now() + HOUR_MS, retry_after: HOUR_MS });
  await add([7, 50, 99], { retry_at: Date.now() + 900, retry_after: 900 });
  expect(await claim()).toBeUndefined();
  await add([101], {});
  moveOn(900);
  expect([await claim(), await claim(), await claim(), await claim()]).toEqual([7, 50, 99, 101]);
  expect(await claim()).toBeUndefined();
});

test("what another process gives back, or redelivers, is looked for soon after that has woken the listener", async () => {
  await using waiting = await inbox();
  const { add, claim, next } = waiting;
  await add(from(1, 100), { claim: { by: "another process", until: Date.now() + HOUR_MS } });
  expect(await claim()).toBeUndefined();
  await add([50], {});
  const woken = await next();
  if ("until" in woken) {
    expect(woken.until - Date.now()).toBeLessThan(SOON_MS);
    moveOn(SOON_MS);
    expect(await claim()).toBe(50);
  } else expect(woken.row.seq).toBe(50);
});

test("in order, thousands of a sender that is busy keep nobody waiting, and are read once", async () => {
  await using waiting = await inbox(true);
  const { add, claim, handled, reads } = waiting;
  await handled([1]);
  await add(from(2, 3_000), { from: "eve" });
  expect(await claim()).toBe(2);
  await add([40_001], { from: "dave" });
  expect(await claim()).toBe(40_001);
  expect(reads.count).toBeLessThan(3_100);
  const before = reads.count;
  for (let seq = 40_002; seq <= 40_101; seq++) {
    await add([seq], { from: `carol${seq}` });
    expect(await claim()).toBe(seq);
    await handled([seq]);
  }
  expect(await claim()).toBeUndefined();
  expect(reads.count - before).toBeLessThan(1_000);
  // What is in hand is handled: the next of the same sender.
  await handled([2, 40_001]);
  expect(await claim()).toBe(3);
  expect(await claim()).toBeUndefined();
});

test("in order, what another listener has handled is passed, however much it was, and what has come meanwhile comes behind", async () => {
  await using waiting = await inbox(true);
  const { add, claim, handled } = waiting;
  await handled([1]);
  await add(from(2, 3_000), { from: "eve" });
  expect(await claim()).toBe(2);
  expect(await claim()).toBeUndefined();
  await handled(from(2, 2_999));
  await add([4_000, 4_001], { from: "dave" });
  await add([4_002], { from: "eve" });
  expect([await claim(), await claim(), await claim()]).toEqual([3_001, 4_000, undefined]);
  await handled([3_001, 4_000]);
  expect([await claim(), await claim(), await claim()]).toEqual([4_001, 4_002, undefined]);
});

test("in order, a dead letter that is given to handlers again comes before what its sender has sent later", async () => {
  await using waiting = await inbox(true);
  const { add, claim, handled, redelivery } = waiting;
  await handled([1, 2]);
  await add(from(3, 10), { from: "eve" });
  expect(await claim()).toBe(3);
  expect(await claim()).toBeUndefined();
  await handled([3]);
  await add([2], { from: "eve" });
  await redelivery();
  expect([await claim(), await claim()]).toEqual([2, undefined]);
  await handled([2]);
  expect(await claim()).toBe(4);
});

test("what another process has given back is free at once; what this one has, after a while", async () => {
  await using waiting = await inbox();
  const { add, claim, handled } = waiting;
  const waits = { retry_at: Date.now() + HOUR_MS, retry_after: HOUR_MS };
  await handled([1]);
  await add([2], { ...waits, given_back_by: "another process" });
  await add([3], waits);
  expect([await claim(), await claim()]).toEqual([2, undefined]);
});
