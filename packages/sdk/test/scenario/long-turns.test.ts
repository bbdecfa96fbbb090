/** Work of which there may be any amount is done in pieces: a turn takes up no more when its time is over. */
import { expect, test } from "vitest";
import { closeConversation } from "../../src/conversation/conversations.ts";
import { receive } from "../../src/conversation/incoming.ts";
import { encryptQueued } from "../../src/delivery/outgoing.ts";
import { expire } from "../../src/turn/outbox-rows.ts";
import { contactsWithQueue, failWaiting } from "../../src/delivery/queue.ts";
import { list, pad, put } from "../../src/records/records.ts";
import { applyReceipt, continueReports } from "../../src/conversation/reports.ts";
import { continueAgain } from "../../src/conversation/resend.ts";
import { sweep } from "../../src/link/retention.ts";
import { type Pair, pairOf } from "../../src/turn/groups.ts";
import { Turn } from "../../src/turn/turn.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { nothingUnderWay, turns, workClock } from "./turns.ts";
import { eventually, World } from "./world.ts";

const COUNT = 600;
/** A turn's time, with what it has begun, in steps of the clock that counts work. */
const BOUND = 160;

/** Alice, who has sent so many messages to Bob that wait for a word of him, without a relay. */
async function unconfirmed(state: "stored" | "queued" = "stored") {
  await using world = await World.create();
  const alice = await world.open("alice");
  await world.open("bob");
  await (await alice.send("bob", "hello")).stored();
  await alice.close();
  const store = world.memory("alice");
  const { clock, counted } = workClock();
  const { run, cache } = await turns(store, clock);
  const [{ id: group } = { id: "" }] = await store.read((tx) => list(tx, "group/"));
  await store.write(async (tx) => {
    for (let seq = 1_001; seq <= 1_000 + COUNT; seq++) {
      const row = { seq, id: `m${seq}`, kind: "message", to: "bob", content_type: "text/plain", state } as const;
      const sent = state === "stored" ? { group, counter: seq } : {};
      await put(tx, "out/", pad(seq), { ...row, ...sent, created_at: 1, updated_at: Date.now(), attempt: 0 });
      await tx.put(`out-body/${pad(seq)}`, "text");
      await tx.put(`out-id/m${seq}`, String(seq));
      if (state === "stored") await tx.put(`sent/${group}/${pad(seq)}`, String(seq));
      else await tx.put(`queue/bob/${pad(seq)}`, "");
    }
  });
  /** One turn; it takes no longer than it may. @returns whether it has left something */
  const turn = async (work: (turn: Turn) => Promise<unknown>): Promise<boolean> => {
    const since = clock();
    const isCut = await run(async (one) => {
      await work(one);
      return one.isCut;
    }, counted);
    expect(clock() - since).toBeLessThan(BOUND);
    return isCut;
  };
  const inState = async (wanted: string) =>
    (await store.read((tx) => list(tx, "out/")))
      .filter((row) => row.seq > 1_000 && row.state === wanted)
      .map(({ seq }) => seq);
  const conversation = async (one: Turn) => (await pairOf(one, group)) as Pair;
  return { store, run, turn, cache, group, inState, conversation };
}

const all = Array.from({ length: COUNT }, (_, index) => 1_001 + index);

test("a receipt for many messages is applied over several turns, also when the link is another one in between", async () => {
  const { store, turn, cache, group, inState, conversation } = await unconfirmed();
  const receipt = { received: { [group]: 1_000 + COUNT }, handled: all.slice(0, 300).map((seq) => `m${seq}`) };
  const cut = await turn(async (one) => applyReceipt(one, await conversation(one), utf8(JSON.stringify(receipt))));
  expect(cut).toBe(true);
  expect((await inState("received")).length).toBeLessThan(COUNT);
  // What comes behind it is applied behind it.
  const late = { failed: [{ id: "m1001", reason: "too late" }] };
  await turn(async (one) => applyReceipt(one, await conversation(one), utf8(JSON.stringify(late))));
  await store.write((tx) => cache.load(tx));
  for (let count = 0; await turn(continueReports); count++) expect(count).toBeLessThan(100);
  expect(await inState("handled")).toEqual(all.slice(0, 300));
  expect(await inState("received")).toEqual(all.slice(300));
  expect(await store.read((tx) => tx.list({ prefix: "report/" }))).toEqual([]);
});

test("a conversation with much that is unread ends over several turns; nothing newer leaves meanwhile, and all in order", async () => {
  const { store, run, turn, cache, group, inState, conversation } = await unconfirmed();
  expect(await turn(async (one) => closeConversation(one, await conversation(one)))).toBe(true);
  const flight = nothingUnderWay();
  await run((one) => encryptQueued(one, flight));
  expect([...flight.toOpen]).toEqual([]);
  await store.write((tx) => cache.load(tx));
  for (let count = 0; await turn(continueAgain); count++) expect(count).toBeLessThan(100);
  expect(await inState("queued")).toEqual(all);
  await run((one) => encryptQueued(one, flight));
  expect([...flight.toOpen]).toEqual(["bob"]);
  expect(await store.read((tx) => tx.list({ prefix: `sent/${group}/` }))).toEqual([]);
});

test("what is pushed is processed as far as a turn has time, and acknowledged no further", async () => {
  const { turn } = await unconfirmed();
  const pushed = all.map((seq) => ({
    delivery: { from: "bob", kind: "application", message: "", message_id: `x${seq}`, seq, timestamp: 1 },
    offline: false,
  }));
  let count = 0;
  let position = 0;
  const cut = await turn(async (one) => {
    count = await receive(one, pushed);
    ({ position } = one);
  });
  expect(cut).toBe(true);
  expect(count).toBeGreaterThan(0);
  expect(position).toBe(pushed[count - 1]?.delivery.seq);
});

test("messages that expire, and such that fail with their contact, end over several turns", async () => {
  const { store, turn, inState } = await unconfirmed("queued");
  await store.write(async (tx) => {
    for (const seq of all.slice(0, 300)) await tx.put(`expiry/${pad(1)}/${pad(seq)}`, "");
  });
  for (let count = 0; await turn(expire); count++) expect(count).toBeLessThan(100);
  expect(await inState("expired")).toEqual(all.slice(0, 300));
  const flight = nothingUnderWay();
  for (let count = 0; await turn((one) => failWaiting(one, flight, "bob", "identity_changed")); count++)
    expect(count).toBeLessThan(100);
  expect(await inState("failed")).toEqual(all.slice(300));
});

test("a sweep stops when its turn's time is over, and comes again soon", async () => {
  const { turn } = await unconfirmed();
  let next = Infinity;
  const cut = await turn(async (one) => {
    next = await sweep(one, true);
  });
  expect(cut).toBe(true);
  expect(next).toBeLessThan(1_000);
});

test("while a receipt for thousands of messages is applied, another process of the agent writes", async () => {
  await using world = await World.create();
  const folder = world.folder();
  const [alice, bob] = [await world.openFrom("alice", await world.sqlite(folder)), await world.open("bob")];
  await (await alice.send("bob", "hello")).stored();
  await bob.users();
  await alice.close();
  const many = 6_000;
  await using other = await world.sqlite(folder);
  const [{ id: group } = { id: "" }] = await other.read((tx) => list(tx, "group/"));
  await other.write(async (tx) => {
    for (let seq = 1_001; seq <= 1_000 + many; seq++) {
      const row = {
        seq,
        id: `m${seq}`,
        kind: "message",
        to: "bob",
        content_type: "text/plain",
        state: "stored",
      } as const;
      await put(tx, "out/", pad(seq), {
        ...row,
        group,
        counter: seq,
        created_at: 1,
        updated_at: Date.now(),
        attempt: 0,
      });
      await tx.put(`sent/${group}/${pad(seq)}`, String(seq));
    }
  });
  await (await world.openFrom("alice", await world.sqlite(folder))).users();
  await world.memory("bob").write(async (tx) => {
    const row = { seq: 900, id: "r", kind: "receipt", to: "alice", content_type: "application/json" } as const;
    await put(tx, "out/", pad(900), {
      ...row,
      state: "queued",
      created_at: Date.now(),
      updated_at: Date.now(),
      attempt: 0,
    });
    await tx.put(`out-body/${pad(900)}`, JSON.stringify({ received: { [group]: 1_000 + many } }));
    await tx.put("queue/alice/0000000000000900", "");
  });
  const first = () => other.write(async (tx) => (await tx.list({ prefix: `sent/${group}/`, limit: 1 }))[0]?.[0]);
  const seen = new Set<string | undefined>();
  await eventually("all is confirmed", async () => {
    const key = await first();
    seen.add(key);
    return key === undefined;
  });
  // It got in between: there was more to see than the beginning and the end.
  expect(seen.size).toBeGreaterThan(2);
});

test("each contact to whom something waits has its turn, whatever names begin like others and wait for something", async () => {
  const { store, turn } = await unconfirmed();
  const names = ["build", "build-1", "build-2", "build_3", "builder", "a", "z"];
  await store.write(async (tx) => {
    for (const name of names) await tx.put(`queue/${name}/${pad(2_000)}`, "");
  });
  const flight = nothingUnderWay();
  flight.lastServed = "build";
  await turn(async (one) => {
    flight.backOff("build-1", one.ticks, 1_000_000);
    const found = await contactsWithQueue(one, flight, 100);
    expect(found.toSorted()).toEqual(names.filter((name) => name !== "build-1").toSorted());
  });
});
