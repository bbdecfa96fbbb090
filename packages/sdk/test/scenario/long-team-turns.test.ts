/** What is said in a group, and what becomes of it when somebody goes or comes back, is made in pieces as well, however much it is. */
import { describe, expect, test } from "vitest";
import { beginInTeam } from "../../src/conversation/team-again.ts";
import { retire } from "../../src/conversation/team-end.ts";
import { healTeams } from "../../src/conversation/team-healing.ts";
import { makeChanges } from "../../src/delivery/team-changes.ts";
import { applyAnswers } from "../../src/delivery/answers.ts";
import { encryptQueued } from "../../src/delivery/outgoing.ts";
import { continueReports } from "../../src/conversation/reports.ts";
import { memberBack, memberGone } from "../../src/conversation/team-turnover.ts";
import { type RelayFrameData } from "../../src/protocol/index.ts";
import type { AgainRecord } from "../../src/records/left-records.ts";
import { get, list, pad, put } from "../../src/records/records.ts";
import { Random, seed } from "../random.ts";
import { online } from "./members.ts";
import { nothingUnderWay, turns, workClock } from "./turns.ts";
import { World } from "./world.ts";

import { all, BOUND, COUNT, expectExact, ids, last, says, unconfirmed } from "./unconfirmed.ts";
describe("in a group", () => {
  test("a receipt for many messages is applied over several turns, also when the link is another one in between", async () => {
    const team = await unconfirmed();
    const { turn, restart, goOn, states, at, group } = team;
    const first = { received: { [group]: last }, handled: ids(all.slice(0, 200)) };
    expect(await turn((one, of) => says(one, of, "bob", first))).toBe(true);
    // What comes behind it is applied behind it.
    await turn((one, of) => says(one, of, "bob", { failed: [{ id: "m1001", reason: "too late" }] }));
    await restart();
    await goOn();
    const bob = await at("bob");
    expect(all.filter((seq) => bob.get(seq) === "handled")).toEqual(all.slice(0, 200));
    expect(all.filter((seq) => bob.get(seq) === "received")).toEqual(all.slice(200));
    expect(await states()).toEqual({ stored: COUNT });
    await turn((one, of) => says(one, of, "carol", { received: { [group]: last }, handled: ids(all) }));
    await restart();
    await goOn();
    expect(await states()).toEqual({ handled: 200, received: 100 });
    await expectExact(team);
  });

  test("what is sent while a receipt is applied is not taken for received", async () => {
    const { store, turn, goOn, at, group } = await unconfirmed();
    await turn(async (one, of) => {
      // As if all but the first of them were sent later.
      of.record.send_counter = 1_001 + COUNT / 2;
      await says(one, of, "bob", { received: { [group]: 1_000_000 } });
    });
    await turn(async (_one, of) => {
      of.record.send_counter = last;
      of.dirty = true;
    });
    await goOn();
    const bob = await at("bob");
    expect(all.filter((seq) => bob.get(seq) === "received")).toEqual(all.slice(0, COUNT / 2 + 1));
    expect(await store.read((tx) => tx.list({ prefix: "report/" }))).toEqual([]);
  });

  test("a member that has all but some messages gets those alone, however many turns its receipt takes", async () => {
    const { turn, restart, goOn, rows, at, group } = await unconfirmed();
    const lacks = all.filter((seq) => seq % 3 === 0);
    const missing = lacks.map((counter) => ({ group, counter }));
    expect(await turn((one, of) => says(one, of, "bob", { received: { [group]: last }, missing }))).toBe(true);
    await restart();
    await goOn();
    const bob = await at("bob");
    expect(all.filter((seq) => bob.get(seq) === "missing")).toEqual(lacks);
    expect((await rows()).filter(({ of }) => of !== undefined).map(({ of }) => of)).toEqual(lacks);
    // It has them by now.
    await turn((one, of) => says(one, of, "bob", { received: { [group]: last } }));
    await goOn();
    expect(new Set((await at("bob")).values())).toEqual(new Set(["received"]));
  });

  test("a member that goes is not waited for, behind what it has said before, over as many turns as it takes", async () => {
    const team = await unconfirmed();
    const { turn, restart, goOn, states, at, group } = team;
    await turn((one, of) => says(one, of, "carol", { received: { [group]: last }, handled: ids(all) }));
    await goOn();
    await turn((one, of) => says(one, of, "bob", { received: { [group]: last }, handled: ids(all.slice(0, 150)) }));
    expect(await turn((one, of) => memberGone(one, of, "bob"))).toBe(true);
    await restart();
    await goOn();
    const bob = await at("bob");
    expect(all.filter((seq) => bob.get(seq) === "handled")).toEqual(all.slice(0, 150));
    expect(all.filter((seq) => bob.get(seq) === "gone")).toEqual(all.slice(150));
    expect(await states()).toEqual({ handled: COUNT });
    await expectExact(team);
  });

  test("a member that goes and is added again while that is written down is waited for from then on", async () => {
    const { store, turn, goOn, at, group } = await unconfirmed();
    expect(await turn((one, of) => memberGone(one, of, "bob"))).toBe(true);
    const row = { seq: last + 1, id: "new", kind: "message", to: "@", content_type: "text/plain" } as const;
    await store.write(async (tx) => {
      const recipients = { group, epoch: 1, all: 2, received: 0, handled: 0, failed: 0, expired: 0, gone: 0 };
      const sent = { state: "stored", group, counter: last + 1, attempt: 0, recipients } as const;
      await put(tx, "out/", pad(last + 1), { ...row, ...sent, created_at: Date.now(), updated_at: Date.now() });
      await tx.put(`sent/${group}/${pad(last + 1)}`, String(last + 1));
    });
    await turn(async (_one, of) => {
      of.record.send_counter = last + 1;
      of.dirty = true;
    });
    await goOn();
    expect(new Set((await at("bob")).values())).toEqual(new Set(["gone"]));
    expect(await store.read((tx) => tx.get(`to/${pad(last + 1)}/bob`))).toBeUndefined();
  });

  test("a member that comes back is sent all that it lacks, once, and over several turns", async () => {
    const { turn, restart, goOn, rows, group } = await unconfirmed();
    // What it says on its way, by another device or before it was away, comes first.
    await turn((one, of) => says(one, of, "bob", { received: { [group]: 1_150 } }));
    expect(await turn((one, of) => memberBack(one, of, "bob"))).toBe(true);
    await restart();
    await goOn();
    const again = (await rows()).filter(({ of }) => of !== undefined);
    expect(again.map(({ of }) => of)).toEqual(all.filter((seq) => seq > 1_150));
    expect(new Set(again.map(({ to }) => to)).size).toBe(1);
  });

  test("however many go at once, no turn takes longer", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `member${index}`);
    const { store, turn, restart, goOn, at } = await unconfirmed(names);
    // A report for each that is to be gone, and no more.
    await turn(async (one, of) => {
      for (const name of names) await memberGone(one, of, name);
    });
    await restart();
    await turn((one, of) => memberGone(one, of, "bob"));
    expect((await store.read((tx) => tx.list({ prefix: "report/" }))).length).toBeGreaterThan(15);
    await goOn();
    for (const name of ["bob", ...names]) expect(new Set((await at(name)).values())).toEqual(new Set(["gone"]));
    expect(new Set((await at("carol")).values())).toEqual(new Set(["missing"]));
  });

  test("when this agent is out of it, all that it has sent ends, behind what was said of it before, over several turns", async () => {
    const team = await unconfirmed();
    const { store, turn, restart, goOn, rows, wait, states, at, group, key } = team;
    const waiting = await wait(100);
    await store.write(async (tx) => {
      for (const seq of all) await tx.put(`owed/@${key}.bob/done/${pad(seq)}`, JSON.stringify({ id: `x${seq}` }));
    });
    const said = { received: { [group]: last }, handled: ids(all.slice(0, 100)) };
    await turn((one, of) => says(one, of, "bob", said));
    await turn((one, of) => says(one, of, "carol", said));
    // What goes is the state of the group, in one piece, and no more.
    expect(await turn((one, of) => retire(one, of.record), 2 * BOUND)).toBe(true);
    // Nothing leaves meanwhile, whoever is added again.
    const flight = nothingUnderWay();
    await turn((one) => encryptQueued(one, flight));
    expect(flight.sends.size).toBe(0);
    await restart();
    await goOn();
    for (const name of ["bob", "carol"]) {
      const outcomes = await at(name);
      expect(all.filter((seq) => outcomes.get(seq) === "handled")).toEqual(all.slice(0, 100));
      expect(all.filter((seq) => outcomes.get(seq) === "gone")).toEqual(all.slice(100));
    }
    expect(await states()).toEqual({ handled: 100, failed: 200, refused: waiting.length });
    await expectExact({ ...team, rows: async () => (await rows()).filter(({ seq }) => seq <= last) });
    for (const prefix of ["sent/", "queue/", "owed/"])
      expect(await store.read((tx) => tx.list({ prefix }))).toEqual([]);
  });

  test("what is written while an end goes on is not touched by it", async () => {
    const { store, turn, restart, goOn, wait, group, key } = await unconfirmed();
    expect(await turn((one, of) => retire(one, of.record), 2 * BOUND)).toBe(true);
    await store.write((tx) => tx.put("meta/next-out", "4000"));
    await store.write(async (tx) => {
      // As if it had begun here.
      const again = (await get(tx, "again/", group)) as AgainRecord;
      await put(tx, "again/", group, { ...again, before: 4_000 });
    });
    const waiting = await wait(5);
    await restart();
    await goOn();
    expect((await store.read((tx) => tx.list({ prefix: `queue/@${key}/` }))).length).toBe(waiting.length);
  });

  test("a group that is founded anew takes over what was not received, over several turns, and then ends where it must", async () => {
    const { store, turn, restart, goOn, states, group, key } = await unconfirmed();
    const handled = ids(all.slice(0, 100));
    for (const name of ["bob", "carol"])
      await turn((one, of) => says(one, of, name, { received: { [group]: 1_200 }, handled }));
    // Its own group stands for the next one here: the same members are in it.
    const began = { group, key, isTeams: true };
    await turn((one) => beginInTeam(one, { ...began, what: "sendAnew" }));
    await turn((one) => beginInTeam(one, { ...began, isTeams: false, what: "end" }));
    await restart();
    await goOn();
    expect(await states()).toEqual({ handled: 100, failed: 100, queued: 100 });
    expect((await store.read((tx) => tx.list({ prefix: `queue/@${key}/` }))).length).toBe(100);
    expect(await store.read((tx) => tx.list({ prefix: "sent/" }))).toEqual([]);
  });

  test("what the relay says of many members at once, for many messages, is written over several turns", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `member${index}`);
    const { store, turn, rows, at, group } = await unconfirmed(names);
    const flight = nothingUnderWay();
    const sent = all.slice(0, 60);
    await store.write(async (tx) => {
      for (const seq of sent) {
        await put(tx, "out/", pad(seq), { ...(await get(tx, "out/", pad(seq)))!, state: "queued" });
        const frame = JSON.stringify({ message: "", message_id: `m${seq}` });
        await put(tx, "wire/", pad(seq), { group, epoch: 2, counter: seq, frame });
      }
    });
    const ok = { status: "stored", lapsed: names } as RelayFrameData<"ack">;
    for (const seq of sent) flight.sendAnswers.push({ seq, group, answer: { ok } });
    let count = 0;
    for (; flight.sendAnswers.length > 0; count++) await turn((one) => applyAnswers(one, flight));
    expect(count).toBeGreaterThan(1);
    for (const name of names) {
      const outcomes = await at(name);
      expect(all.filter((seq) => outcomes.get(seq) === "expired")).toEqual(sent);
    }
    for (const { seq, recipients } of await rows())
      expect(recipients).toMatchObject({ all: 22, expired: sent.includes(seq) ? 20 : 0 });
  });

  test("what many lack is kept once for all of them, and what is not needed any more is sent to nobody", async () => {
    const { store, turn, goOn, rows } = await unconfirmed();
    for (const name of ["bob", "carol"]) await turn((one, of) => memberBack(one, of, name));
    await goOn();
    const again = (await rows()).filter(({ of }) => of !== undefined);
    expect(again).toHaveLength(2 * COUNT);
    const bodies = await store.read((tx) => tx.list({ prefix: "out-body/", after: `out-body/${pad(1_000)}` }));
    expect(bodies.map(([key]) => key)).toEqual(all.map((seq) => `out-body/${pad(seq)}`));
    // Meanwhile all have the first one.
    await store.write((tx) => tx.delete(`out-body/${pad(1_001)}`));
    const flight = nothingUnderWay();
    await turn((one) => encryptQueued(one, flight), 2 * BOUND);
    const left = [...flight.sends.keys()].map((seq) => again.find((row) => row.seq === seq)?.of);
    expect(left.length).toBeGreaterThan(0);
    expect(left).not.toContain(1_001);
    expect((await rows()).filter(({ of, to }) => of === 1_001 && to.endsWith("bob"))).toEqual([]);
  });

  test(`receipts in any order, cut anywhere, come to what they say (seed ${seed})`, { timeout: 60_000 }, async () => {
    const random = new Random();
    const isOneOf = (many: number): boolean => random.int(many) === 0;
    const team = await unconfirmed();
    const { turn, restart, goOn, at, group, states } = team;
    const best = { bob: new Map<number, number>(), carol: new Map<number, number>() };
    const note = (name: "bob" | "carol", seqs: number[], rank: number): void => {
      for (const seq of seqs) best[name].set(seq, Math.max(rank, best[name].get(seq) ?? 0));
    };
    for (let step = 0; step < 12; step++) {
      const name = isOneOf(2) ? "bob" : "carol";
      const upTo = 1_000 + random.int(COUNT + 1);
      const handled = all.filter(() => isOneOf(5));
      await turn((one, of) => says(one, of, name, { received: { [group]: upTo }, handled: ids(handled) }));
      note(name, all.slice(0, Math.max(0, upTo - 1_000)), 1);
      note(name, handled, 2);
      if (isOneOf(3)) await restart();
      if (isOneOf(3)) await turn(continueReports);
    }
    await goOn();
    for (const name of ["bob", "carol"] as const) {
      const said = all.map((seq) => [seq, ["missing", "received", "handled"][best[name].get(seq) ?? 0]] as const);
      expect(await at(name)).toEqual(new Map(said));
    }
    await expectExact(team);
    const isHandled = (seq: number) => best.bob.get(seq) === 2 && best.carol.get(seq) === 2;
    expect((await states())["handled"] ?? 0).toBe(all.filter(isHandled).length);
  });
});

test("new keys that are due in many groups at once are made over several turns, in each of them once", async () => {
  await using world = await World.create({ noLimits: true });
  const { alice } = await online(world, "alice", "bob", "carol");
  const names = Array.from({ length: 8 }, (_, index) => `team${index}`);
  for (const name of names) await alice.agent.groups.create(name, ["bob", "carol"]);
  await alice.agent.close();
  const store = world.memory("alice");
  await store.write(async (tx) => {
    for (const [at] of await tx.list({ prefix: "heal/" })) await tx.delete(at);
    for (const record of await list(tx, "team-group/")) {
      await put(tx, "team-group/", record.id, { ...record, entered_at: 1, heals_at: Date.now() - 1 });
      await tx.put(`heal/${pad(Date.now() - 1)}/${record.id}`, "");
    }
  });
  const { clock, counted } = workClock();
  const { run } = await turns(store, () => 4 * clock());
  const flight = nothingUnderWay();
  const made: number[] = [];
  while ((made.at(-1) ?? 0) < names.length) {
    const isCut = await run(async (turn) => {
      await healTeams(turn);
      await makeChanges(turn, flight, []);
      return turn.isCut;
    }, counted);
    made.push((await store.read((tx) => tx.list({ prefix: "commit/" }))).length);
    expect(isCut).toBe(made.at(-1)! < names.length);
  }
  expect(made.length).toBeGreaterThan(2);
  expect((await store.read((tx) => list(tx, "op/"))).map(({ kind }) => kind)).toEqual(names.map(() => "update"));
});
