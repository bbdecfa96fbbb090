import { setTimeout as delay } from "node:timers/promises";
import { inflict } from "./inflict.ts";
import type { Ledger } from "./ledger.ts";
import type { Options } from "./options.ts";
import { plan } from "./plan.ts";
import { attempts, faultsOfRows } from "./rows.ts";
import { World } from "./world.ts";

/** Before the first fault, and after each. */
const PEACE_MS = 1_500;
/** How long all may take to come when there are no more faults: a relay that stood still may be dead for ten seconds. */
const REST_MS = 90_000;
const LOOK_MS = 2_000;

/** One run, from the first process to the last. */
export async function run(options: Options, folder: string, ledger: Ledger): Promise<void> {
  await using world = await World.start(options, folder, ledger);
  ledger.note("all are there");
  const lives = world.clients.map((client) => client.live());
  const looks = lookAtRows(world);
  await delay(PEACE_MS);
  await inflictAll(world, options);
  world.isOver = true;
  ledger.note("faults are over");
  await comeToRest(world);
  world.isDone = true;
  await Promise.all(lives);
  await looks;
  // Once something is wrong, all that follows from it says no more.
  if (ledger.violations.length === 0) judge(world);
}

/** Each kind once at least, then until the time is over, or something is wrong. */
async function inflictAll(world: World, { seed, seconds, kinds }: Options): Promise<void> {
  const { ledger } = world;
  const end = ledger.seconds + seconds;
  let count = 0;
  for (const planned of plan(seed, kinds)) {
    if (ledger.violations.length > 0 || (count >= kinds.length && ledger.seconds > end)) return;
    await inflict(world, planned);
    count += 1;
    await delay(PEACE_MS * (0.5 + planned.dice[2]));
  }
}

async function comeToRest(world: World): Promise<void> {
  const { ledger } = world;
  for (const end = performance.now() + REST_MS; ledger.violations.length === 0; await delay(LOOK_MS / 10)) {
    const { unfinished } = world;
    if (unfinished === undefined) return;
    if (performance.now() <= end) continue;
    return ledger.violation(`lost, or stuck: ${unfinished}`);
  }
}

/** Totals equal rows at any moment: so they are looked at all the while, whenever the engine answers. */
async function lookAtRows(world: World): Promise<void> {
  const doubts = new Map<string, number>();
  while (!world.isDone) {
    await look(world, doubts).catch(() => undefined);
    await delay(LOOK_MS);
  }
  await look(world, doubts);
  for (const count of doubts.values()) world.ledger.count("transactions in doubt", count);
}

/** @throws Error if the engine does not answer */
async function look({ engine, ledger }: World, doubts: Map<string, number>): Promise<void> {
  for (const fault of await faultsOfRows(engine)) ledger.violation(fault);
  for (const [relay, count] of await attempts(engine)) doubts.set(relay, count);
  ledger.count("looks at the totals");
}

function judge(world: World): void {
  const { ledger, groups } = world;
  for (const group of groups) group.checkPlaces();
  for (const { voices } of world.clients) for (const { ear } of voices) ear.checkOrder();
  for (const { line, who } of world.lacking())
    ledger.violation(`lost: ${line.text} was acknowledged, and never came to ${who}`);
}
