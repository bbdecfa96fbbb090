// Several relays' stores over one PostgreSQL, all of them doing everything at once.
import { describe, expect, test } from "vitest";
import { Proxy } from "../../../lab/shared/proxy.ts";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { Dice } from "./dice.ts";
import { everything } from "./postgres-race/everything.ts";
import { mistakes, plant } from "./postgres-race/plant.ts";
import { Race } from "./postgres-race/race.ts";
import { faults } from "./postgres-race/storm.ts";

const SHORT_MS = Number(process.env["RACE_MS"] ?? 2_500);
const LONG_MS = 30_000;

interface Run {
  ms: number;
  stores: number;
  isStormy?: boolean;
  isLong?: boolean;
}

/** @returns what must not be */
async function run({ ms, stores, isStormy = false, isLong = false }: Run): Promise<string[]> {
  const dice = new Dice();
  process.stderr.write(`race: SEED=${dice.seed}\n`);
  const url = await database();
  await using ends = new AsyncDisposableStack();
  const proxies = await Promise.all(
    Array.from({ length: isStormy ? stores : 0 }, async () =>
      ends.use(await Proxy.start({ port: 0, to: Number(new URL(url).port) })),
    ),
  );
  const urls = Array.from({ length: stores }, (_, at) => {
    const through = new URL(url);
    if (isStormy) through.port = String(proxies[at]?.port);
    return through.href;
  });
  await using race = await Race.open({ url, urls, isStormy, isLong }, dice);
  const wrong = await everything(race, ms, isStormy ? faults(url, proxies) : undefined);
  process.stderr.write(`race: ${JSON.stringify(race.ledger.counts)}\n`);
  expect(race.ledger.counts["sent"]).toBeGreaterThan(30);
  return wrong;
}

describe.runIf(hasPostgres)("stores over one PostgreSQL", () => {
  test("keep everything that is acknowledged, once and in order, whatever they do at once", async () => {
    expect(await run({ ms: SHORT_MS, stores: 3 })).toEqual([]);
  });

  test("the same, for longer", { tags: ["long"] }, async () => {
    expect(await run({ ms: LONG_MS, stores: 4 })).toEqual([]);
  });

  test("agree in what they count while days go by", { tags: ["long"] }, async () => {
    expect(await run({ ms: LONG_MS / 2, stores: 3, isLong: true })).toEqual([]);
  });

  test(
    "the same, while connections break, backends are killed, and a store is declared dead",
    { tags: ["long"] },
    async () => {
      expect(await run({ ms: LONG_MS / 3, stores: 3, isStormy: true })).toEqual([]);
    },
  );

  test.for(Object.entries(mistakes))("a mistake is found: %s", { tags: ["long"] }, async ([, mistake]) => {
    using _ = plant(mistake);
    for (let i = 0; i < 10; i++) if ((await run({ ms: SHORT_MS, stores: 3 })).length > 0) return;
    expect.fail("it was not found");
  });
});
