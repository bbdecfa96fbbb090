// What becomes of writes when connections break, the engine is away, or others take the relay for dead.
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually } from "../../../test/waiting.ts";
import type { LaneOptions } from "../src/store/postgres/lane/lane.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { BadNetwork, engineOfFile } from "./postgres-for-tests.ts";
import { decideLines, failed, IMPATIENT, type Line, type ToyRelay, toyRelays } from "./postgres-ledger.ts";

const engine = engineOfFile();
const { start, lines } = toyRelays(engine);

/** When the line of that id is decided, the engine does what it is told, and nobody hears of it. */
function muting(network: BadNetwork, id: number, committed?: (ids: number[]) => void): LaneOptions<Line>["decide"] {
  const decide = decideLines(committed);
  return async (sql, items) => {
    const decided = await decide(sql, items);
    if (items.some((item) => item.id === id)) network.mute();
    return decided;
  };
}

/** A transaction whose end comes to the engine when it was given up and is being done again. */
async function belated(plant: (text: string) => string): Promise<number[]> {
  await using network = new BadNetwork(engine.postgres.port);
  const decide = decideLines();
  let isFirst = true;
  const relay = await start({
    address: await network.listen(),
    patience: IMPATIENT,
    decide: async (sql, items) => {
      const decided = await decide(sql, items);
      if (isFirst) network.hold();
      isFirst = false;
      return decided;
    },
  });
  relay.link.change = plant;
  const done = relay.lane.do({ id: 1 });
  await eventually("COMMIT has left", () => relay.link.said.includes("COMMIT"));
  // Not before the network has it.
  await setImmediate();
  network.cutLate();
  await eventually(
    "it is done again",
    () => relay.link.said.filter((text) => text.startsWith("SELECT n")).length === 2,
  );
  network.release();
  await done;
  return lines(relay.schema);
}

/** A relay that was declared dead, with a transaction that has begun before that. */
async function frozen(
  plant: (text: string) => string,
): Promise<{ relay: ToyRelay; lines: number[]; rejected: number }> {
  const decide = decideLines();
  let thaw: (() => void) | undefined;
  const relay = await start({
    patience: IMPATIENT,
    decide: async (sql, items) => {
      const decided = await decide(sql, items);
      if (items.some(({ id }) => id === 2)) await new Promise<void>((resolve) => (thaw = resolve));
      return decided;
    },
  });
  relay.link.change = plant;
  const living = await start({}, relay.schema);
  await relay.lane.do({ id: 1 });
  const begun = relay.lane.do({ id: 2 });
  await eventually("it has begun", () => thaw !== undefined);
  await engine.admin(`DELETE FROM ${relay.schema}.relays WHERE relay = $1`, [relay.relay]);
  thaw?.();
  const results = await Promise.allSettled([begun, relay.lane.do({ id: 3 })]);
  await living.lane.do({ id: 4 });
  const rejected = results.filter(({ status }) => status === "rejected").length;
  return { relay, lines: await lines(relay.schema), rejected };
}

describe.skipIf(!hasPostgres)("a lane", () => {
  test("tells of a COMMIT before anybody gets an answer, and when its end was lost, too", async () => {
    await using network = new BadNetwork(engine.postgres.port);
    const told: number[] = [];
    const patience = IMPATIENT;
    const decide = muting(network, 2, (ids) => told.push(...ids));
    const relay = await start({ address: await network.listen(), decide, patience });
    await relay.lane.do({ id: 1 });
    const isThere = async (): Promise<boolean> => (await lines(relay.schema)).length === 2;
    const done = relay.lane.do({ id: 2 }).then((answer) => [answer, [...told]]);
    await eventually("the engine has committed", isThere);
    network.cut();
    expect(await done).toEqual([2, [1, 2]]);
    expect(relay.link.outcomes).toEqual({ committed: 1, not: 0 });
    expect(await lines(relay.schema)).toEqual([1, 2]);
  });

  test("dooms a transaction that was given up, so that it is not done twice", async () => {
    expect(await belated((text) => text)).toEqual([1]);
  });

  test("would do it twice by a fence that does not look at the attempt, or a question that dooms nothing", async () => {
    expect(await belated((text) => text.replace("AND attempt = $3", "AND $3::bigint IS NOT NULL"))).toEqual([1, 1]);
    const idle = "SELECT batch, attempt FROM relays WHERE relay = $1";
    expect(await belated((text) => (text.includes("SET attempt") ? idle : text))).toEqual([1, 1]);
  });

  test("waits for an engine that is away, for so long, and goes on when it is back", async () => {
    await using network = new BadNetwork(engine.postgres.port);
    const address = await network.listen();
    const patience = { ...IMPATIENT, engineMs: 300 };
    const relay = await start({ address, patience });
    await relay.lane.do({ id: 1 });
    network.isDown = true;
    network.cut();
    const given = await Promise.allSettled([2, 3].map((id) => relay.lane.do({ id })));
    expect(given.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(given[0]).toMatchObject({ reason: failed("internal") });
    const later = relay.lane.do({ id: 4 });
    setTimeout(() => (network.isDown = false), 50);
    await later;
    expect(await lines(relay.schema)).toEqual([1, 4]);
  });

  test("does in parts what an engine cannot do in the time of one trip, each once, and answers all", async () => {
    const decide = decideLines();
    const sizes: number[] = [];
    /** What takes longer the more there is, before or after the engine has been told to commit. */
    const slow =
      (isLate: boolean): LaneOptions<Line>["decide"] =>
      async (sql, items) => {
        sizes.push(items.length);
        const sleep = `SELECT pg_sleep(${items.length / 400})`;
        if (!isLate) await sql(sleep, []);
        const decided = await decide(sql, items);
        return isLate ? { ...decided, writes: [...decided.writes, sql(sleep, [])] } : decided;
      };
    for (const isLate of [false, true]) {
      const relay = await start({ decide: slow(isLate), patience: { ...IMPATIENT, tripMs: 400, engineMs: 750 } });
      sizes.length = 0;
      const ids = Array.from({ length: 400 }, (_, i) => i + 1);
      const others = relay.lane.do({ id: 1000 });
      expect(await Promise.all(ids.map((id) => relay.lane.do({ id })))).toHaveLength(400);
      await others;
      expect(sizes[0]).toBe(401);
      expect(Math.max(...sizes.slice(1))).toBe(51);
      expect(await lines(relay.schema)).toEqual([1000, ...ids]);
    }
  });

  test("does not wait for what a transaction has locked that was given up", async () => {
    const decide = decideLines();
    let tries = 0;
    const relay = await start({
      patience: { ...IMPATIENT, tripMs: 300 },
      decide: async (sql, items) => {
        const decided = await decide(sql, items);
        tries += 1;
        return tries > 1 ? decided : { ...decided, writes: [...decided.writes, sql("SELECT pg_sleep(60)", [])] };
      },
    });
    await relay.lane.do({ id: 1 });
    expect(await lines(relay.schema)).toEqual([1]);
  });

  test("has nobody wait longer for an engine that does nothing because it makes parts", async () => {
    const relay = await start({
      patience: { ...IMPATIENT, tripMs: 100, engineMs: 400 },
      // It answers, and never in time.
      decide: async (sql) => {
        await sql("SELECT pg_sleep(0.2)", []);
        return { answers: [], writes: [] };
      },
    });
    const began = performance.now();
    const given = await Promise.allSettled(Array.from({ length: 60 }, (_, id) => relay.lane.do({ id })));
    // One after another they would be given up after twenty seconds.
    expect(performance.now() - began).toBeLessThan(5000);
    expect(given.map(({ status }) => status)).toEqual(Array.from({ length: 60 }, () => "rejected"));
  });

  test("refuses what waits while it still asks what became of a batch, and answers that when it knows", async () => {
    await using network = new BadNetwork(engine.postgres.port);
    const patience = { ...IMPATIENT, tripMs: 100, engineMs: 300, doubtMs: 20_000 };
    const relay = await start({ address: await network.listen(), decide: muting(network, 2), patience });
    await relay.lane.do({ id: 1 });
    const inDoubt = relay.lane.do<number>({ id: 2 });
    await eventually("the engine has committed", async () => (await lines(relay.schema)).length === 2);
    network.isDown = true;
    network.cut();
    await expect(relay.lane.do({ id: 3 })).rejects.toEqual(failed("internal"));
    network.isDown = false;
    expect(await inDoubt).toBe(2);
    await relay.lane.do({ id: 4 });
    expect(await lines(relay.schema)).toEqual([1, 2, 4]);
  });

  test("of a batch that is in doubt for too long refuses it, is not misled by it afterwards, and tells of it if it was committed", async () => {
    await using network = new BadNetwork(engine.postgres.port);
    const patience = { ...IMPATIENT, tripMs: 100, engineMs: 100, doubtMs: 100 };
    const told: number[] = [];
    const decide = muting(network, 1, (ids) => told.push(...ids));
    const relay = await start({ address: await network.listen(), decide, patience });
    const inDoubt = relay.lane.do<number>({ id: 1 });
    await eventually("the engine has committed", async () => (await lines(relay.schema)).length === 1);
    network.isDown = true;
    network.cut();
    await expect(inDoubt).rejects.toEqual(failed("internal"));
    network.isDown = false;
    await relay.lane.do({ id: 2 });
    expect(relay.forgot).toBe(0);
    expect(await lines(relay.schema)).toEqual([1, 2]);
    expect(told).toEqual([1, 2]);
  });

  test("notices when the engine has forgotten what it had told to be committed", async () => {
    const relay = await start();
    for (const id of [1, 2, 3]) await relay.lane.do({ id });
    // As a standby does that was behind.
    await engine.admin(`UPDATE ${relay.schema}.relays SET batch = 1`);
    await relay.lane.do({ id: 4 });
    expect(relay.forgot).toBe(1);
    await relay.lane.do({ id: 5 });
    expect(relay.forgot).toBe(1);
    expect(await lines(relay.schema)).toEqual([1, 2, 3, 4, 5]);
  });

  test("writes nothing any more once another relay has declared its relay dead", async () => {
    const { relay, lines, rejected } = await frozen((text) => text);
    expect(lines).toEqual([1, 4]);
    expect(rejected).toBe(2);
    expect(relay.fenced).toEqual(["another relay has declared it dead"]);
    await expect(relay.lane.do({ id: 5 })).rejects.toEqual(failed("internal"));
  });

  test("without a fence it would", async () => {
    const nothing = "SELECT $1::bigint, $2::bigint, $3::bigint";
    expect((await frozen((text) => (text.includes("SET batch") ? nothing : text))).lines).toEqual([1, 2, 3, 4]);
  });
});
