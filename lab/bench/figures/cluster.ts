import { join } from "node:path";
import { engineCpu } from "../../shared/engine-cpu.ts";
import { median } from "../../shared/percentiles.ts";
import { Postgres } from "../../shared/postgres.ts";
import { startRelay } from "../../shared/relay.ts";
import { startWorker, type Worker } from "../../shared/worker.ts";
import type { Plan, Result } from "../compare.ts";
import { startFloor } from "../floors/start.ts";

const CONNECTIONS = 99;
const ROUNDS = 5;
const generator = new URL("../load/relayed.ts", import.meta.url);

/** Some servers, and what loads them. */
interface Side {
  name: string;
  load: Worker;
  relays: Worker[];
  engine: Postgres | undefined;
}

interface Measured {
  rate: number;
  relayCpu: number;
  engineCpu: number;
}

/** Relayed messages as with one relay of its own, through one and three relays over one PostgreSQL: with three, each goes to another relay. */
export async function cluster({ seconds, folder, progress }: Plan): Promise<Result[]> {
  await using parts = new AsyncDisposableStack();
  const forwarder = parts.use(await startFloor("forwarder"));
  const sqlite = parts.use(await startRelay(join(folder, "sqlite")));
  const engine = parts.use(await Postgres.create({ max_wal_size: "2GB" }));
  const sides = [
    await sideOf("floor", [forwarder], undefined),
    await sideOf("SQLite", [sqlite], undefined),
    await clusterOf(1),
    await clusterOf(3),
  ];

  async function sideOf(name: string, servers: (Worker & { port: number })[], of: Postgres | undefined): Promise<Side> {
    const load = parts.use(await startWorker(generator));
    progress(`${name}: registers ${CONNECTIONS} token accounts`);
    await load.ask("connect", { ports: servers.map(({ port }) => port), connections: CONNECTIONS });
    return { name, load, relays: servers, engine: of };
  }

  async function clusterOf(count: number): Promise<Side> {
    const database = parts.use(await engine.database());
    const name = count === 1 ? "one relay over PostgreSQL" : `${count} relays over PostgreSQL`;
    const relays = [];
    for (let each = 1; each <= count; each++)
      relays.push(parts.use(await startRelay(join(folder, `cluster-${count}-${each}`), { store: database.url })));
    return sideOf(name, relays, engine);
  }

  const results: Result[] = [];
  for (const window of [1, 8]) {
    const rounds = new Map<Side, Measured[]>(sides.map((side) => [side, []]));
    for (let round = 0; round <= ROUNDS; round++) {
      progress(`relayed, window ${window}: ${round === 0 ? "warm-up" : `round ${round} of ${ROUNDS}`}`);
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const measured = await measure(side, window, seconds);
        if (round > 0) rounds.get(side)?.push(measured);
      }
    }
    results.push(...resultsOf(sides, rounds, window));
  }
  return results;
}

async function measure({ load, relays, engine }: Side, window: number, seconds: number): Promise<Measured> {
  const cpuOf = async (): Promise<number[]> => Promise.all(relays.map((relay) => relay.ask<number>("cpu")));
  const [relaysBefore, engineBefore, started] = [await cpuOf(), cpuOfEngine(engine), performance.now()];
  const rate = await load.ask<number>("run", { window, seconds });
  const count = (rate * (performance.now() - started)) / 1000;
  return {
    rate,
    relayCpu: (sum(await cpuOf()) - sum(relaysBefore)) / count,
    engineCpu: (cpuOfEngine(engine) - engineBefore) / count,
  };
}

function cpuOfEngine(engine: Postgres | undefined): number {
  return engine === undefined ? 0 : engineCpu(engine);
}

function sum(values: number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** Median of the rounds' ratios. */
function ratio(values: number[], floors: number[]): number {
  return median(values.map((value, at) => value / (floors[at] ?? 1)));
}

function resultsOf(sides: Side[], rounds: ReadonlyMap<Side, Measured[]>, window: number): Result[] {
  const [floor, sqlite, ...clusters] = sides.map((side) => ({ name: side.name, all: rounds.get(side) ?? [], side }));
  if (floor === undefined || sqlite === undefined) return [];
  const rates = [sqlite, ...clusters].map(({ name, all, side }): Result => {
    const [values, floors] = [all.map(({ rate }) => rate), floor.all.map(({ rate }) => rate)];
    return {
      figure: "cluster",
      title: `relayed, ${name}, window ${window}`,
      unit: "/s",
      value: median(values),
      floor: median(floors),
      ratio: ratio(values, floors),
      aim: undefined,
      relayCpu: median(all.map(({ relayCpu }) => relayCpu)),
      engineCpu: side.engine === undefined ? undefined : median(all.map((each) => each.engineCpu)),
    };
  });
  const spent = (all: Measured[]): number[] => all.map((each) => each.relayCpu + each.engineCpu);
  const costs = clusters.map(({ name, all }, at): Result => {
    const [values, floors] = [spent(all), spent(sqlite.all)];
    return {
      figure: "cluster",
      title: `CPU a message beside SQLite's, ${name}, window ${window}`,
      unit: " us",
      value: median(values),
      floor: median(floors),
      ratio: ratio(values, floors),
      aim: at === 0 && window === 8 ? { atMost: 2 } : undefined,
    };
  });
  return [...rates, ...costs];
}
