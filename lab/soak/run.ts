import { setTimeout as delay } from "node:timers/promises";
import type { Worker } from "../shared/worker.ts";
import { Ledger, type Verdict } from "./judge.ts";
import { NAP_MS, VISITOR } from "./load.ts";
import { FIRST_MINUTE, type Minute, Watch } from "./watch.ts";
import { World } from "./world.ts";

/** Samples fall into the middle of naps. */
const TICK_MS = NAP_MS / 2;
const TICKS_A_MINUTE = 60_000 / TICK_MS;
/** Time that everything has to end when nothing is sent any more. */
const REST_MS = 120_000;

export interface Outcome {
  minutes: Minute[];
  verdict: Verdict;
}

interface Plan {
  minutes: number;
  /** One has its own database; several are a cluster. */
  relays: number;
  /** An empty folder on disk. */
  folder: string;
  progress: (text: string) => void;
}

export async function run({ minutes, relays, folder, progress }: Plan): Promise<Outcome> {
  await using world = await World.start(folder, relays);
  using watch = new Watch(world.watched);
  const ledger = new Ledger();
  const gather = async () => {
    for (const report of await world.reports()) {
      ledger.add(report);
      watch.add(report);
    }
  };

  for (const worker of world.senders) await worker.ask("send");
  world.visits.start();
  const started = performance.now();
  for (let tick = 0; tick <= minutes * TICKS_A_MINUTE; tick++) {
    await delay(Math.max(0, started + tick * TICK_MS - performance.now()));
    if (tick % 2 === 1) await nap(world.sleepers, (tick - 1) / 2);
    else if (tick > 0) await Promise.all([watch.sample(), gather()]);
    if (tick % TICKS_A_MINUTE !== 0) continue;
    const minute = tick / TICKS_A_MINUTE;
    await watch.mark({ collect: minute === FIRST_MINUTE || minute === minutes });
    progress(`${minute} of ${minutes} minutes`);
  }

  progress("everything comes to rest");
  const lost = await rest(world);
  await gather();
  const verdict = await ledger.judge([...world.agents.keys()].map((name) => ({ name, folder: world.folderOf(name) })));
  if (lost > 0) verdict.lost.push(`${lost} messages of token accounts have not arrived`);
  return { minutes: watch.minutes, verdict };
}

/** One agent falls asleep, and the one that slept wakes up. */
async function nap(sleepers: Worker[], number: number): Promise<void> {
  await sleepers[number % sleepers.length]?.ask("sleep");
  if (number === 0) return;
  const awake = sleepers[(number - 1) % sleepers.length];
  await awake?.ask("wake");
  await awake?.ask("send");
}

/** Sends no more, wakes everybody, waits until each message has ended, and closes all. @returns messages that token accounts miss */
async function rest(world: World): Promise<number> {
  await world.visits.stop();
  for (const worker of world.senders) await worker.ask("stop");
  const lost = await world.tokens.ask<number>("missing");
  for (const worker of world.sleepers) await worker.ask("sleep").then(() => worker.ask("wake"));
  await world.startAgent(VISITOR);
  // What has not ended by then is found in the stores.
  for (const end = performance.now() + REST_MS; performance.now() < end; await delay(1_000)) {
    const open = [...world.agents.values()].map((worker) => worker.ask<string[]>("unfinished"));
    if ((await Promise.all(open)).flat().length === 0) break;
  }
  for (const worker of world.agents.values()) await worker.ask("sleep");
  return lost;
}
