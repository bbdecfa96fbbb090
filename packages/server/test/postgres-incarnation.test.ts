// Who is alive, by the engine's clock.
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually, never } from "../../../test/waiting.ts";
import { EngineClock } from "../src/store/postgres/lane/engine-clock.ts";
import { incarnate, type Incarnation, type Times } from "../src/store/postgres/lane/incarnation.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { BadNetwork, engineOfFile } from "./postgres-for-tests.ts";
import { newLedger } from "./postgres-ledger.ts";

/** A fortieth of what it is, but for a machine that may stand still. */
const TIMES: Times = {
  beatMs: 25,
  patienceMs: 1000,
  deadMs: 400,
  steadyMs: 500,
  gapMs: 300,
  fenceMs: 60_000,
  readyMs: 300,
};

const engine = engineOfFile();

interface Alive {
  incarnation: Incarnation;
  link: Link;
  fenced: string[];
  heard: string[];
}

async function live(schema: string, times: Partial<Times> = {}, address = engine.postgres.address): Promise<Alive> {
  const heard: string[] = [];
  const fenced: string[] = [];
  const link = new Link(address, { settings: { search_path: schema }, heard: (payload) => heard.push(payload) });
  const onFenced = (why: string): void => void fenced.push(why);
  const incarnation = await incarnate({ link, schema, onFenced, times: { ...TIMES, ...times } });
  await (
    await link.use()
  )(`LISTEN relay_${schema}_${incarnation.relay}`);
  onTestFinished(async () => {
    await incarnation.end();
    await link.end();
  });
  return { incarnation, link, fenced, heard };
}

const relays = async (schema: string): Promise<number[]> =>
  (await engine.admin<{ relay: number }>(`SELECT relay FROM ${schema}.relays ORDER BY relay`)).map(
    ({ relay }) => relay,
  );

/** One that has died an hour ago. */
async function addDead(schema: string): Promise<number> {
  const insert = `INSERT INTO ${schema}.relays (seen_at) VALUES (clock_timestamp() - interval '1 hour') RETURNING relay`;
  return (await engine.admin<{ relay: number }>(insert))[0]?.relay ?? 0;
}

describe.skipIf(!hasPostgres)("an incarnation", () => {
  test("has a number of its own, is seen as long as it lives, and leaves nothing behind", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two] = [await live(schema), await live(schema)];
    const ids = [one.incarnation.relay, two.incarnation.relay];
    expect(await relays(schema)).toEqual(ids);
    await eventually("both are seen again and again", async () => {
      const seen = `SELECT bool_and(seen_at > clock_timestamp() - interval '100 ms') AS seen FROM ${schema}.relays`;
      await delay(150);
      return (await engine.admin<{ seen: boolean }>(seen))[0]?.seen;
    });
    expect(one.incarnation.isReady).toBe(true);
    await one.incarnation.end();
    expect(await relays(schema)).toEqual([ids[1]]);
    expect([...one.fenced, ...two.fenced]).toEqual([]);
  });

  test("declares a dead one dead, and has all that live look at everything", async () => {
    const schema = await newLedger(engine.admin);
    const [one, two] = [await live(schema), await live(schema, { steadyMs: 60_000 })];
    const dead = await addDead(schema);
    await eventually("it is declared dead", async () => !(await relays(schema)).includes(dead));
    await eventually("both look", () => one.heard.length > 0 && two.heard.length > 0);
    expect([...one.heard, ...two.heard]).toEqual(['{"type":"all"}', '{"type":"all"}']);
    expect(await relays(schema)).toEqual([one.incarnation.relay, two.incarnation.relay]);
  });

  test("does not declare it before it has itself been seen for long enough", async () => {
    const schema = await newLedger(engine.admin);
    const dead = await addDead(schema);
    await live(schema, { steadyMs: 60_000 });
    await never("it is declared dead", async () => !(await relays(schema)).includes(dead), 400);
  });

  test("does not declare it behind an outage in which all look dead", async () => {
    const schema = await newLedger(engine.admin);
    await using network = new BadNetwork(engine.postgres.port);
    const address = await network.listen();
    const times = { steadyMs: 1000, deadMs: 500, patienceMs: 200 };
    const both = [await live(schema, times, address), await live(schema, times, address)];
    await delay(1100);
    network.isDown = true;
    network.cut();
    await delay(800);
    network.isDown = false;
    await eventually("both are back", () => both.every(({ incarnation }) => incarnation.isReady));
    await never("one is fenced", () => both.some(({ fenced }) => fenced.length > 0), 800);
  });

  test("declares nobody by what lay on its way for long", async () => {
    const schema = await newLedger(engine.admin);
    await addDead(schema);
    const direct = new Link(engine.postgres.address, { settings: { search_path: schema } });
    onTestFinished(() => direct.end());
    /** How many were told of deaths, each time that it was looked for them. */
    const told: number[] = [];
    const link: Pick<Link, "use" | "cut"> = {
      cut: () => {},
      use: async () => {
        const sql = await direct.use();
        return async (text, values) => {
          const isLook = text.includes("seen_at <");
          if (isLook && told.length === 0) await delay(200);
          const rows = await sql<never>(text, values);
          if (isLook) told.push(rows.count);
          return rows;
        };
      },
    };
    const times = { ...TIMES, steadyMs: 0, gapMs: 100 };
    await using _ = await incarnate({ link, schema, onFenced: () => {}, times });
    await eventually("it has looked twice", () => told.length > 1);
    expect(told.slice(0, 2)).toEqual([0, 1]);
  });

  test("is fenced, once, when another has declared it dead", async () => {
    const schema = await newLedger(engine.admin);
    const { incarnation, fenced } = await live(schema);
    await engine.admin(`DELETE FROM ${schema}.relays`);
    await eventually("it is fenced", () => incarnation.isFenced);
    incarnation.fence("again");
    expect(fenced).toEqual(["another relay has declared it dead"]);
    expect(incarnation.isReady).toBe(false);
    await incarnation.end();
    expect(fenced).toHaveLength(1);
  });

  test("is not ready while the engine is away, and gives itself up in the end", async () => {
    const schema = await newLedger(engine.admin);
    await using network = new BadNetwork(engine.postgres.port);
    const { incarnation, fenced } = await live(schema, { fenceMs: 1000, patienceMs: 100 }, await network.listen());
    await eventually("it is ready", () => incarnation.isReady);
    network.isDown = true;
    network.cut();
    await eventually("it is not", () => !incarnation.isReady);
    expect(fenced).toEqual([]);
    await eventually("it is fenced", () => incarnation.isFenced);
    expect(fenced).toEqual(["PostgreSQL did not answer for 1 s"]);
  });

  test("ends without an engine, too", async () => {
    const schema = await newLedger(engine.admin);
    await using network = new BadNetwork(engine.postgres.port);
    const { incarnation } = await live(schema, { patienceMs: 100 }, await network.listen());
    network.isDown = true;
    network.cut();
    await incarnation.end();
  });

  test("knows the engine's time, whatever the machine's own is", async () => {
    const schema = await newLedger(engine.admin);
    const { incarnation } = await live(schema);
    const real = Date.now;
    Date.now = () => real() - 3_600_000;
    onTestFinished(() => void (Date.now = real));
    expect(Math.abs(incarnation.clock.now() - real())).toBeLessThanOrEqual(incarnation.clock.error + 5);
    expect(incarnation.clock.error).toBeLessThan(1000);
  });
});

const offset = (clock: EngineClock): number => Math.round(clock.now() - performance.now());

describe("the engine's clock", () => {
  test("is as far from ours as the look says that took least", () => {
    const clock = new EngineClock();
    clock.look({ asked: 0, answered: 100, engine: 5060 });
    clock.look({ asked: 200, answered: 202, engine: 5201 });
    clock.look({ asked: 300, answered: 400, engine: 5310 });
    expect(Math.abs(offset(clock) - 5000)).toBeLessThanOrEqual(1);
    expect(clock.error).toBe(1);
  });

  test("forgets a good look after ten others", () => {
    const clock = new EngineClock();
    clock.look({ asked: 0, answered: 1, engine: 5000 });
    for (let i = 1; i <= 10; i++) clock.look({ asked: i * 100, answered: i * 100 + 20, engine: 5010 + i * 100 });
    expect(clock.error).toBe(10);
  });

  test("is believed at once when it was set, or ours stood still", () => {
    const clock = new EngineClock();
    clock.look({ asked: 0, answered: 2, engine: 5001 });
    clock.look({ asked: 100, answered: 140, engine: 99_120 });
    expect(Math.abs(offset(clock) - 99_000)).toBeLessThanOrEqual(1);
  });

  test("is the machine's own before it was seen", () => {
    const clock = new EngineClock();
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1000);
    expect(clock.error).toBe(Infinity);
  });
});
