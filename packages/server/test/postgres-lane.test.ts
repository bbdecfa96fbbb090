// All writes of a relay go through one lane.
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import { Again } from "../src/store/postgres/lane/lane.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { engineOfFile } from "./postgres-for-tests.ts";
import { Dice } from "./dice.ts";
import { decideLines, failed, type Line, newLedger, type ToyOptions, toyRelays } from "./postgres-ledger.ts";

const engine = engineOfFile();
const { start, lines } = toyRelays(engine);

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe.skipIf(!hasPostgres)("a lane", () => {
  test("keeps the order of the calls, and answers each with its own answer", async () => {
    const { lane, schema } = await start();
    const answers = await Promise.all(upTo(2500).map((id) => lane.do<number>({ id })));
    expect(answers).toEqual(upTo(2500));
    expect(await lines(schema)).toEqual(upTo(2500));
  });

  test("does what comes together in one batch of two trips, and what comes meanwhile in the next", async () => {
    const { lane, link } = await start();
    const first = upTo(5).map((id) => lane.do({ id }));
    await setImmediate();
    await Promise.all([...first, ...upTo(7).map((id) => lane.do({ id: 100 + id }))]);
    const begins = link.said.filter((text) => text === "BEGIN");
    expect(begins).toHaveLength(2);
    const [begin, read, ...rest] = link.said.map((text) => text.split(/[ \n]/, 1)[0]);
    expect([begin, read, ...rest.slice(0, 4)]).toEqual(["BEGIN", "SELECT", "INSERT", "UPDATE", "WITH", "COMMIT"]);
  });

  test("bounds a batch by its items and by what they are worth, and lets an item stand alone", async () => {
    const sizes: number[] = [];
    const decide = decideLines();
    const { lane } = await start({ decide: (sql, items) => (sizes.push(items.length), decide(sql, items)) });
    await Promise.all(upTo(1500).map((id) => lane.do({ id })));
    const text = "x".repeat(1_500_000);
    await Promise.all([1, 2, 3].map((id) => lane.do({ id, text })));
    await Promise.all([4, 5].map((id) => lane.do({ id, cost: 3_000_000 })));
    await lane.do({ id: 1, text: text.repeat(4) });
    await Promise.all([1, 2, 3, 4, 5].map((id) => lane.do({ id, isAlone: id === 3 })));
    expect(sizes).toEqual([1000, 500, 2, 1, 1, 1, 1, 2, 1, 2]);
  });

  test("has its owners take turns: whatever one has asked for, another waits for a batch or two", async () => {
    const kinds: Record<string, (id: number) => Line> = {
      many: (id) => ({ id, text: "x".repeat(500) }),
      large: (id) => ({ id, text: "x".repeat(200_000) }),
      alone: (id) => ({ id, isAlone: true }),
    };
    for (const [kind, line] of Object.entries(kinds)) {
      const batches: Line[][] = [];
      const decide = decideLines();
      const { lane } = await start({ decide: (sql, items) => (batches.push(items), decide(sql, items)) });
      const greedy = upTo(kind === "many" ? 6000 : 60).map((id) => lane.do({ ...line(id), owner: "greedy" }));
      const modest = ["one", "two"].map((owner, i) => lane.do({ id: 10_000 + i, owner }));
      await Promise.all([...greedy, ...modest]);
      const place = batches.findIndex((items) => items.some(({ owner }) => owner === "two"));
      expect([kind, batches.length > 2, place < 3]).toEqual([kind, true, true]);
    }
  });

  test("keeps the order of what one owner asks for, however turns and batches fall", async () => {
    const dice = new Dice();
    process.stderr.write(`lane: SEED=${dice.seed}\n`);
    const asked = new Map<string, number[]>();
    const done: Line[] = [];
    const decide = decideLines();
    const { lane } = await start({
      decide: (sql, items) => (done.push(...items), decide(sql, items)),
    });
    const all = upTo(2000).map((id) => {
      const owner = dice.of(["a", "b", "c", "d", "e"]);
      asked.set(owner, [...(asked.get(owner) ?? []), id]);
      return lane.do({ id, owner, isAlone: dice.chance(0.01), text: "x".repeat(dice.chance(0.1) ? 50_000 : 500) });
    });
    await Promise.all(all);
    for (const [owner, ids] of asked)
      expect(done.filter((line) => line.owner === owner).map(({ id }) => id)).toEqual(ids);
    expect(done).toHaveLength(2000);
  });

  test("tells what has no answer yet, and how much is held for it, whatever it is worth", async () => {
    const { lane } = await start();
    const done = Promise.all([lane.do({ id: 1, text: "abc", cost: 10_000 }), lane.do({ id: 2, text: "de" })]);
    expect(lane.waiting).toEqual({ items: 2, bytes: 5 });
    await done;
    expect(lane.waiting).toEqual({ items: 0, bytes: 0 });
    await lane.idle();
  });

  test("lets only the culprit fail, and keeps the order of the others", async () => {
    const { lane, schema } = await start();
    const results = await Promise.allSettled(upTo(9).map((id) => lane.do({ id, text: id === 4 ? "a\0b" : "ab" })));
    expect(results.map(({ status }) => status === "fulfilled")).toEqual(upTo(9).map((id) => id !== 4));
    expect(results[3]).toMatchObject({ reason: failed("internal") });
    expect(await lines(schema)).toEqual([1, 2, 3, 5, 6, 7, 8, 9]);
  });

  test("has what is thrown while it decides fail alone, too, and writes nothing of it", async () => {
    const decide = decideLines();
    const strange: ToyOptions["decide"] = async (sql, items) => {
      const decided = await decide(sql, items);
      if (items.some(({ id }) => id === 2)) throw new RangeError("a mistake");
      if (items.some(({ id }) => id === 3)) await sql("SELECT $1::text", [{}]);
      return decided;
    };
    const { lane, schema } = await start({ decide: strange });
    const results = await Promise.allSettled(upTo(5).map((id) => lane.do({ id })));
    expect(results.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(await lines(schema)).toEqual([1, 4, 5]);
  });

  test("does everything again when it is told so, and gives up after twenty times", async () => {
    const decide = decideLines();
    let tries = 0;
    const hesitant: ToyOptions["decide"] = async (sql, items) => {
      tries += 1;
      const decided = await decide(sql, items);
      if (items[0]?.id === 2 || tries < 5) throw new Again();
      return decided;
    };
    const { lane, schema } = await start({ decide: hesitant });
    await lane.do({ id: 1 });
    expect(tries).toBe(5);
    await expect(lane.do({ id: 2 })).rejects.toEqual(failed("internal"));
    expect(tries).toBe(25);
    expect(await lines(schema)).toEqual([1]);
  });

  test("does everything again also when it has stood still in the middle of it, for longer than it waits for the engine", async () => {
    const decide = decideLines();
    let tries = 0;
    const patience = { engineMs: 1000, tripMs: 200 };
    const frozen: ToyOptions["decide"] = async (sql, items) => {
      const decided = await decide(sql, items);
      tries += 1;
      if (tries > 1) return decided;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * patience.engineMs);
      throw new Again();
    };
    const { lane, schema } = await start({ decide: frozen, patience });
    await lane.do({ id: 1 });
    expect(await lines(schema)).toEqual([1]);
  });

  test("has whatever fails once its relay was fenced be asked again elsewhere", async () => {
    for (const error of [new Again(), new RangeError("a mistake")]) {
      const relay = await start({
        decide: async () => {
          relay.fenced.push("another relay has declared it dead");
          throw error;
        },
      });
      await expect(relay.lane.do({ id: 1 })).rejects.toMatchObject({ reason: "internal", isAway: true });
    }
  });

  test("does again what has lost a race, and what another relay has blocked for long", async () => {
    const schema = await newLedger(engine.admin);
    await engine.admin(`ALTER TABLE ${schema}.ledger ADD UNIQUE (place)`);
    const decide = decideLines();
    // Without the lock of the counter two relays give the same places.
    const blind: ToyOptions["decide"] = (sql, items) =>
      decide((text, values) => sql(text.replace("FOR UPDATE", ""), values), items);
    const [one, two] = [await start({ decide: blind }, schema), await start({ decide: blind }, schema)];
    // One after another: all at once each would have one batch, and perhaps they would not meet.
    const write = async ({ lane }: typeof one, ids: number[]): Promise<void> => {
      for (const id of ids) await lane.do({ id });
    };
    await Promise.all(
      [one, two].map((relay, at) =>
        write(
          relay,
          upTo(200).filter((id) => id % 2 === at),
        ),
      ),
    );
    expect([...one.link.said, ...two.link.said]).toContain("ROLLBACK");
    expect((await lines(schema)).toSorted((a, b) => a - b)).toEqual(upTo(200));

    const blocked = await start();
    await using blocker = new Link(engine.postgres.address, { settings: { search_path: blocked.schema } });
    const hold = await blocker.use();
    await hold("BEGIN; SELECT n FROM counter FOR UPDATE");
    const done = blocked.lane.do({ id: 1 });
    await eventually("it is tried again", () => blocked.link.said.filter((text) => text === "BEGIN").length > 1);
    await hold("ROLLBACK");
    await done;
    expect(await lines(blocked.schema)).toEqual([1]);
  });

  test("prepares its statements anew when the tables have changed below them", async () => {
    const decide = decideLines();
    const reading: ToyOptions["decide"] = async (sql, items) => {
      await sql("SELECT * FROM ledger LIMIT 1", []);
      return decide(sql, items);
    };
    const { lane, schema } = await start({ decide: reading });
    await lane.do({ id: 1 });
    await engine.admin(`ALTER TABLE ${schema}.ledger ADD COLUMN more text`);
    await lane.do({ id: 2 });
    expect(await lines(schema)).toEqual([1, 2]);
  });

  test("ends in a bounded time, however much it has taken: the rest is to be asked again", async () => {
    const decide = decideLines();
    const { lane, schema } = await start({
      patience: { endMs: 300 },
      decide: async (sql, items) => {
        await sql("SELECT pg_sleep(0.1)", []);
        return decide(sql, items);
      },
    });
    const all = Promise.allSettled(upTo(200).map((id) => lane.do({ id, isAlone: true })));
    await lane.end();
    const given = await all;
    const done = given.filter(({ status }) => status === "fulfilled").length;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(50);
    expect(given.at(-1)).toMatchObject({ reason: { reason: "internal", isAway: true } });
    expect(await lines(schema)).toEqual(upTo(done));
  });

  test("takes nothing more when it was ended, and does what it has taken", async () => {
    const { lane, schema } = await start();
    const done = lane.do({ id: 1 });
    const ended = lane.end();
    await expect(lane.do({ id: 2 })).rejects.toEqual(failed("internal"));
    await ended;
    await done;
    expect(await lines(schema)).toEqual([1]);
  });
});
