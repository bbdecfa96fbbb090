/** The outbox's books, without a relay: answers are made up. */
import { expect, test } from "vitest";
import { applyAnswers } from "../../src/delivery/answers.ts";
import { heal } from "../../src/conversation/commits.ts";
import { Flight } from "../../src/delivery/flight.ts";
import { encryptQueued } from "../../src/delivery/outgoing.ts";
import { receivedUpTo } from "../../src/conversation/contact-reports.ts";
import { sendAgain } from "../../src/conversation/resend.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import { pairsWith } from "../../src/turn/groups.ts";
import type { Turn } from "../../src/turn/turn.ts";
import { EPOCH_MESSAGES } from "../../src/crypto/mls/seam.ts";
import type { Range } from "../../src/store/store.ts";
import { nothingUnderWay, turns } from "./turns.ts";
import { World } from "./world.ts";

/** Messages to Bob that were never sent. */
async function queue(turn: Turn, seqs: number[], body = "body"): Promise<void> {
  for (const seq of seqs) {
    const row = {
      seq,
      id: `m${seq}`,
      kind: "message",
      to: "bob",
      content_type: "text/plain",
      state: "queued",
    } as const;
    await put(turn.tx, "out/", pad(seq), { ...row, created_at: 1, updated_at: 1, attempt: 0 });
    await turn.tx.put(`out-body/${pad(seq)}`, body);
    await turn.tx.put(`out-id/m${seq}`, String(seq));
    await turn.tx.put(`queue/bob/${pad(seq)}`, "");
  }
}

test("each message keeps its place in the conversation when others are encrypted anew in another order", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await world.open("bob");
  await (await alice.send("bob", "1")).stored();
  const repeated = await alice.send("bob", "asked for again");
  await repeated.stored();
  await alice.close();
  const store = world.memory("alice");
  const { run, cache } = await turns(store);
  const flight = nothingUnderWay();
  // Two that were never sent.
  await run((turn) => queue(turn, [901, 902]));
  await run((turn) => encryptQueued(turn, flight));
  const rows = await store.read((tx) => list(tx, "out/"));
  const old = rows.find(({ id }) => id === repeated.id);
  await run(async (turn) => sendAgain(turn, "bob", (await get(turn.tx, "out/", pad(old?.seq ?? 0)))!));
  await run((turn) => encryptQueued(turn, flight));
  for (const [index, [seq, { group }]] of [...flight.sends].entries())
    flight.sendAnswers.push({
      seq,
      group,
      answer: { refusal: { code: 409, reason: index === 0 ? "stale_epoch" : "send_blocked", message: "" } },
    });
  await run((turn) => applyAnswers(turn, flight));
  for (const { record } of cache.groups.values()) record.wait_for_epoch = 0;
  for (let round = 0; round < 3; round++) {
    await run((turn) => encryptQueued(turn, flight));
    for (const [seq, { group }] of flight.sends)
      flight.sendAnswers.push({ seq, group, answer: { ok: { status: "stored_offline" } } });
    await run((turn) => applyAnswers(turn, flight));
  }
  await store.read(async (tx) => {
    for (const { group, counter, seq } of await list(tx, "out/"))
      expect(await tx.get(`sent/${group}/${pad(counter ?? 0)}`)).toBe(String(seq));
  });
});

test("what a message confirms is found without reading all that is not confirmed", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await alice.close();
  const { run } = await turns(world.memory("alice"));
  const group = "a".repeat(64);
  await run(async (turn) => {
    for (let counter = 1; counter <= 1_000; counter++) await turn.tx.put(`sent/${group}/${pad(counter)}`, "1");
    let read = 0;
    const counting = async (range: Range) => {
      const rows = await turn.tx.list(range);
      read += rows.length;
      return rows;
    };
    const tx = Object.assign(Object.create(turn.tx) as typeof turn.tx, { list: counting });
    await receivedUpTo(Object.assign(Object.create(turn) as Turn, { tx }), "bob", { group, counter: 0 });
    expect(read).toBeLessThan(100);
  });
});

/** Turns of Alice, who has opened a conversation with Bob. */
async function conversation() {
  const world = await World.create();
  const alice = await world.open("alice");
  await world.open("bob");
  await (await alice.send("bob", "hello")).stored();
  await alice.close();
  return { ...(await turns(world.memory("alice"))), [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

test("no more is encrypted in one epoch than the other side reads; once the commit is admitted it goes on", async () => {
  await using opened = await conversation();
  const { run, cache } = opened;
  const counters: number[] = [];
  const flight = new Flight(
    (seq, { group_id: group = "" }) =>
      flight.sendAnswers.push({ seq, group, answer: { ok: { status: "stored_offline" } } }),
    () => undefined,
  );
  await run((turn) =>
    queue(
      turn,
      Array.from({ length: EPOCH_MESSAGES }, (_, index) => 1_001 + index),
    ),
  );
  const sendAll = async () => {
    for (let before = -1; before !== counters.length;) {
      before = counters.length;
      await run(async (turn) => {
        await applyAnswers(turn, flight);
        await encryptQueued(turn, flight);
        for (const effect of turn.after) effect();
        for (const { seq } of flight.sendAnswers) counters.push(seq);
      });
    }
  };
  await sendAll();
  // One was the opening's.
  expect(counters).toHaveLength(EPOCH_MESSAGES - 1);
  await run((turn) => heal(turn, () => undefined));
  const [group = "", commitId = ""] = [...cache.commits].flatMap(([id, commit]) => [id, commit.commit_id]);
  flight.commitAnswers.push({ group, commitId, answer: { ok: { status: "committed", high_water: 0 } } });
  await sendAll();
  expect(counters.at(-1)).toBe(1_000 + EPOCH_MESSAGES);
});

test("of large messages no more are under way than the relay reads well within the time for its answer", async () => {
  await using opened = await conversation();
  const { run } = opened;
  const flight = nothingUnderWay();
  const body = "x".repeat(500_000);
  const seqs = Array.from({ length: 20 }, (_, index) => 1_001 + index);
  await run((turn) => queue(turn, seqs, body));
  const sent: number[] = [];
  for (let round = 0; sent.length < seqs.length && round < seqs.length; round++) {
    await run((turn) => encryptQueued(turn, flight));
    expect(flight.sends.size * body.length).toBeLessThan(2 ** 21);
    for (const [seq, { group }] of flight.sends) {
      sent.push(seq);
      flight.sendAnswers.push({ seq, group, answer: { ok: { status: "stored_offline" } } });
    }
    await run((turn) => applyAnswers(turn, flight));
  }
  expect(sent).toEqual(seqs);
});

const refusal = { code: 409, reason: "expired", message: "" };
const elsewhere = "e".repeat(64);

test.for([
  {
    what: "an opening",
    answer: (flight: Flight) => flight.commitAnswers.push({ group: elsewhere, commitId: "c", answer: { refusal } }),
  },
  {
    what: "a message",
    answer: (flight: Flight) => flight.sendAnswers.push({ seq: 1_001, group: elsewhere, answer: { refusal } }),
  },
])(
  "what is encrypted in one conversation stays when $what in another one is refused by which it went before",
  async ({ answer }) => {
    await using opened = await conversation();
    const { run } = opened;
    const flight = nothingUnderWay();
    await run(async (turn) => {
      await queue(turn, [1_001, 1_002, 1_003]);
      await turn.saveCommit({
        group: elsewhere,
        commit_id: "c",
        kind: "open",
        epoch: 0,
        frame: "{}",
        rows: [1_001, 1_002],
        created_at: turn.now,
      });
      await encryptQueued(turn, flight);
    });
    answer(flight);
    await run(async (turn) => {
      await applyAnswers(turn, flight);
      expect([...flight.sends.keys()]).toEqual([1_001, 1_002, 1_003]);
      const counters = [];
      for (const seq of flight.sends.keys()) counters.push((await get(turn.tx, "wire/", pad(seq)))?.counter);
      expect(counters).toEqual([2, 3, 4]);
      expect((await list(turn.tx, "out/")).slice(-3).map(({ state }) => state)).toEqual(["queued", "queued", "queued"]);
    });
  },
);

const REFUSED_MS = 60_000;
test.each([
  ["all that waited at the login was not read yet", false, { ago: Infinity, stored: 1 }, "open"],
  ["mail of before the refusal is still coming", true, { ago: 0, stored: -1 }, "open"],
  ["what comes was stored after the refusal", true, { ago: 0, stored: 1 }, "closed"],
  ["nothing comes any more", true, { ago: Infinity, stored: -1 }, "closed"],
])(
  "a conversation in which the relay has refused an epoch, where %s: open or closed",
  async (_, isCurrent, last, state) => {
    await using opened = await conversation();
    const { run, cache } = opened;
    await run((turn) => pairsWith(turn, "bob"));
    const [record] = [...cache.groups.values()].map(({ record }) => record);
    if (record === undefined) throw new Error("no conversation");
    await run(async (turn) => {
      const refused = turn.now - REFUSED_MS;
      Object.assign(record, { waited: REFUSED_MS, refused_at: refused, wait_for_epoch: record.epoch + 1 });
      cache.arrived = { at: turn.ticks - last.ago, storedAt: refused + last.stored * 2_000 };
      if (!isCurrent) turn.highWater = Infinity;
      await heal(turn, () => undefined);
      expect(record.state).toBe(state);
      // However much there is to read, and on however many connections, it does not wait for ever.
      record.waited = 11 * REFUSED_MS;
      await heal(turn, () => undefined);
      expect(record.state).toBe("closed");
    });
  },
);
