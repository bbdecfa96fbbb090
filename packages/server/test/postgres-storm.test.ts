// Backends that are killed and networks that are cut, at random moments: what is acknowledged is there once.
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Dice } from "./dice.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { BadNetwork, engineOfFile } from "./postgres-for-tests.ts";
import { IMPATIENT, newLedger, toyRelay } from "./postgres-ledger.ts";

const engine = engineOfFile();

interface Storm {
  faults: number;
  /** What is said instead of a statement: a mistake. */
  plant?: (text: string) => string;
}

const WRITERS = 6;
/** A fault comes so many milliseconds after the one before, at most. */
const CALM_MS = 25;

/** @returns what must not be, and what became of all */
async function storm({ faults, plant = (text) => text }: Storm) {
  const dice = new Dice();
  process.stderr.write(`storm: SEED=${dice.seed}\n`);
  const schema = await newLedger(engine.admin);
  await using network = new BadNetwork(engine.postgres.port);
  const address = await network.listen();
  const told: number[] = [];
  const options = {
    patience: { ...IMPATIENT, engineMs: 20_000 },
    committed: (ids: number[]) => void told.push(...ids),
  };
  // Two relays, which wait for each other's locks.
  const relays = [
    await toyRelay(engine.admin, { schema, address }, options),
    await toyRelay(engine.admin, { schema, address }, options),
  ];
  const acknowledged = new Map<number, number>();
  const rejected = new Set<number>();
  const culprits = new Set<number>();
  let isOver = false;
  let next = 1;
  const write = async (lane: (typeof relays)[number]["lane"]): Promise<void> => {
    while (!isOver) {
      const id = next++;
      // Some are culprits.
      const isCulprit = dice.chance(0.01);
      if (isCulprit) culprits.add(id);
      const text = isCulprit ? "\0" : "a line";
      await lane.do<number>({ id, text }).then(
        (place) => acknowledged.set(id, place),
        () => rejected.add(id),
      );
    }
  };
  /** The end of the next transaction is held back. */
  let isArmed = false;
  const change = (text: string): string => {
    if (isArmed && text.startsWith("INSERT")) {
      isArmed = false;
      network.hold();
    }
    return plant(text);
  };
  for (const relay of relays) relay.link.change = change;
  const writers = relays.flatMap(({ lane }) => Array.from({ length: WRITERS }, () => write(lane)));
  const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lane_%'";
  const pause = (ms: number): Promise<void> => delay(dice.next() * ms);
  const kinds: (() => Promise<unknown> | void)[] = [
    () => engine.admin(kill),
    () => network.cut(),
    () => network.mute(),
    async () => {
      network.hold();
      await pause(40);
      network.release();
    },
    // What comes when its transaction was given up, and is being done again.
    async () => {
      isArmed = true;
      await pause(20);
      network.cutLate();
      await pause(60);
      network.release();
    },
    async () => {
      network.mute();
      await pause(10);
      network.cut();
    },
    async () => {
      network.hold();
      await pause(10);
      await engine.admin(kill);
      network.release();
    },
  ];
  for (let i = 0; i < faults; i++) {
    await pause(CALM_MS);
    await dice.of(kinds)();
  }
  isOver = true;
  await Promise.all(writers);
  for (const relay of relays) await relay[Symbol.asyncDispose]();
  // What has lain on the way comes now at the latest.
  network.release();
  await delay(50);

  const rows = await engine.admin<{ id: number; place: number }>(`SELECT id, place FROM ${schema}.ledger`);
  const times = new Map<number, number>();
  for (const { id } of rows) times.set(id, (times.get(id) ?? 0) + 1);
  const places = new Map(rows.map(({ id, place }) => [id, place]));
  const isTold = new Set(told);
  const ids = [...acknowledged.keys()];
  return {
    wrong: {
      lost: ids.filter((id) => !times.has(id)).length,
      doubled: [...times.values()].filter((count) => count > 1).length,
      elsewhere: ids.filter((id) => times.has(id) && places.get(id) !== acknowledged.get(id)).length,
      "rejected, and there": [...rejected].filter((id) => times.has(id)).length,
      "rejected for nothing": [...rejected].filter((id) => !culprits.has(id)).length,
      "acknowledged, and not told": ids.filter((id) => !isTold.has(id)).length,
      "told, and not acknowledged": [...isTold].filter((id) => !acknowledged.has(id)).length,
      "told twice": told.length - isTold.size,
      fenced: relays.flatMap(({ fenced }) => fenced).length,
      forgot: relays.reduce((sum, { forgot }) => sum + forgot, 0),
    },
    acknowledged: acknowledged.size,
    rejected: rejected.size,
    committed: relays.reduce((sum, { link }) => sum + link.outcomes.committed, 0),
    not: relays.reduce((sum, { link }) => sum + link.outcomes.not, 0),
  };
}

const nothing = {
  lost: 0,
  doubled: 0,
  elsewhere: 0,
  "rejected, and there": 0,
  "rejected for nothing": 0,
  "acknowledged, and not told": 0,
  "told, and not acknowledged": 0,
  "told twice": 0,
  fenced: 0,
  forgot: 0,
};

describe.skipIf(!hasPostgres)("in a storm of faults", () => {
  test("what is acknowledged is there once, and what is refused is not", async () => {
    const { wrong, ...counts } = await storm({ faults: 60 });
    expect(wrong).toEqual(nothing);
    expect(counts.acknowledged).toBeGreaterThan(0);
  });

  test("the same, hundreds of times", { tags: ["long"] }, async () => {
    const { wrong, ...counts } = await storm({ faults: 600 });
    process.stderr.write(`storm: ${JSON.stringify(counts)}\n`);
    expect(wrong).toEqual(nothing);
    // Both ends of a transaction in doubt were met.
    expect(counts.committed).toBeGreaterThan(0);
    expect(counts.not).toBeGreaterThan(0);
  });

  const mistakes: [string, (text: string) => string][] = [
    ["no fence", (text) => (text.includes("SET batch") ? "SELECT $1::bigint, $2::bigint, $3::bigint" : text)],
    [
      "a fence that does not look at the attempt, and lets a transaction pass that was given up",
      (text) => text.replace("AND attempt = $3", "AND $3::bigint IS NOT NULL"),
    ],
    [
      "a question that dooms nothing",
      (text) => (text.includes("SET attempt") ? "SELECT batch, attempt FROM relays WHERE relay = $1" : text),
    ],
    [
      "an answer that it was committed, whatever became of it",
      (text) => text.replace("RETURNING batch,", "RETURNING batch + 1 AS batch,"),
    ],
    ["an answer that it was not", (text) => text.replace("RETURNING batch,", "RETURNING batch - 1 AS batch,")],
  ];
  test.for(mistakes)("a mistake is found: %s", { tags: ["long"] }, async ([, plant]) => {
    for (let i = 0; i < 10; i++) {
      const { wrong } = await storm({ faults: 100, plant });
      if (Object.values(wrong).some((count) => count > 0)) return;
    }
    expect.fail("it was not found");
  });
});
