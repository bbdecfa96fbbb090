import { setTimeout as delay } from "node:timers/promises";
import { type Books, readAllBooks } from "../shared/books.ts";
import { writeBody } from "./body.ts";
import { judge, TOLD, type Verdict } from "./check.ts";
import { checkStored } from "./disk-promise.ts";
import { checkFiles, fileOfLetter, missingFile } from "./file-check.ts";
import { inflict } from "./inflict.ts";
import type { Options } from "./options.ts";
import { type Fault, type Mail, plan } from "./plan.ts";
import { integrity } from "./stores.ts";
import { World } from "./world.ts";

const CYCLE_MS = 700;
/** Where there are teams, everything is sent to many. */
const TEAM_CYCLE_MS = 3_000;
const MESSAGES = 12;
const LARGEST_FILLER = 3_000;
const EXPIRING = 0.1;
const FAILING = 0.05;
/** How long everything may take to come to rest: a dead connection is noticed in 30 s, and then there are back-offs. */
const REST_MS = 90_000;
/**
 * A member that is taken in again waits for one that lives: each has half a minute. One that was made an admin while it left waits for an admin: the
 * relay, which does not know who is one, offers its word to one of twelve after another, in rounds that are further and further apart.
 */
const TEAM_REST_MS = 900_000;

export interface Outcome {
  verdict: Verdict;
  hits: Map<Fault, number>;
  /** Requests of hostile accounts. */
  attacks: number;
  messages: number;
  /** Of groups; undefined where there are none. */
  changes: { ordered: number; made: number } | undefined;
  cycles: number;
  seconds: number;
  restSeconds: number;
  folder: string;
}

/** One run, from the first process to the last. `progress` is told how far it is. */
export async function run(options: Options, progress: (text: string) => void): Promise<Outcome> {
  const begun = performance.now();
  const world = await World.start(options);
  const { ledger } = world;
  world.onRelayDeath = () => checkStored(world);
  const cycleMs = options.groups ? TEAM_CYCLE_MS : CYCLE_MS;
  let cycles = 0;
  const under = new Set<Promise<void>>();
  const later = (at: number, work: () => Promise<void> | void) => {
    const task = delay(at * cycleMs)
      .then(work)
      .catch((error: unknown) => ledger.violation(`the driver failed: ${String((error as Error).stack)}`))
      .finally(() => under.delete(task));
    under.add(task);
  };
  for (const { faults, mail } of plan(options, MESSAGES)) {
    for (const planned of faults) later(planned.at, () => inflict(world, planned));
    for (const [index, one] of mail.entries())
      later(one.at, () => post(world, one, { number: `${cycles * MESSAGES + index}`, files: options.files }));
    world.teams?.cycle(later);
    await delay(cycleMs);
    cycles += 1;
    const changes = world.teams === undefined ? "" : `, ${world.teams.changes.ordered} changes of groups`;
    progress(
      `cycle ${cycles} of ${options.cycles}, ${ledger.entries.size + (world.teams?.ledger.entries.size ?? 0)} messages${changes}`,
    );
    if (ledger.violations.length > 0 || (world.teams?.ledger.violations.length ?? 0) > 0) break;
  }
  await Promise.all(under);
  await world.quiet();
  const attacks = await world.callOff();
  lift(world);
  progress("faults are over");
  const resting = performance.now();
  // Once something is wrong, all that follows from it says no more.
  const sound = ledger.violations.length === 0 && (world.teams?.ledger.violations ?? []).length === 0;
  if (sound) await comeToRest(world, progress);
  const restSeconds = Math.round((performance.now() - resting) / 1000);
  await stop(world);
  const books = sound ? await readAllBooks(world.agents) : new Map<string, Books>();
  const verdict = judge(ledger, books);
  await checkFiles(verdict, world, books);
  await world.teams?.judge(verdict, sound);
  for (const agent of world.agents)
    for (const file of ["agent.db", "link.db"]) checkIntegrity(verdict, agent.folder, file);
  const { violations, counts } = await world.relays.findings();
  verdict.other.push(...violations);
  Object.assign(verdict.counts, counts);
  await world.relays.end();
  return {
    verdict,
    hits: world.hits,
    attacks,
    messages: ledger.entries.size + (world.teams?.ledger.entries.size ?? 0),
    changes: world.teams?.changes,
    cycles,
    seconds: Math.round((performance.now() - begun) / 1000),
    restSeconds,
    folder: world.folder,
  };
}

interface Given {
  number: string;
  /** Many have files. */
  files: boolean;
}

function post(world: World, { from, to, dice: [first, second, third] }: Mail, { number, files }: Given): void {
  const [sender, recipient] = [world.agents[from], world.agents[to]];
  if (sender === undefined || recipient === undefined) return;
  const fails = first < FAILING ? TOLD : undefined;
  const letter = {
    id: `${sender.name}-${number}`,
    to: recipient.name,
    body: writeBody(
      { workMs: second < 0.2 ? Math.floor(second * 100) : 0, ...(fails === undefined ? {} : { fails }) },
      Math.floor(third * LARGEST_FILLER),
    ),
    ...(first > 1 - EXPIRING ? { expiresIn: 200 + Math.floor(second * 3_000) } : {}),
    ...fileOfLetter(`${sender.name}-${number}`, { folder: sender.outFolder, dice: (third * 7) % 1, many: files }),
  };
  world.ledger.issue(sender.name, letter, fails !== undefined);
  sender.send(letter);
}

function lift(world: World): void {
  for (const agent of world.agents) {
    agent.proxy.weather = { kind: "fair" };
    agent.rightClock();
    agent.order({ kind: "lift" });
    agent.startAll();
  }
  for (const relay of world.relays.all) {
    relay.setClock(0);
    relay.process.order({ kind: "lift" });
  }
  world.relays.lift();
}

/** Nobody may need to be started again for that; if it helps, that is said as well. */
async function comeToRest(world: World, progress: (text: string) => void): Promise<void> {
  const restless = await rest(world, progress);
  if (restless === undefined) return;
  for (const agent of world.agents) {
    await agent.killAll();
    agent.startAll();
  }
  const cured = (await rest(world, progress)) === undefined ? ", until all was started again" : "";
  world.ledger.violation(`stuck: ${restless} after ${restMs(world) / 1000} s without faults${cured}`);
}

function restMs({ teams }: World): number {
  return teams === undefined ? REST_MS : TEAM_REST_MS;
}

/** Waits until nothing waits any more. @returns what still does */
async function rest(world: World, progress: (text: string) => void): Promise<string | undefined> {
  for (const end = performance.now() + restMs(world); ; await delay(500)) {
    await world.quiet();
    const books = await readAllBooks(world.agents);
    const restless: string | undefined =
      unfinished(world, books) ?? (await missingFile(world, books)) ?? (await world.teams?.unfinished());
    progress(`waits: ${restless ?? "for nothing"}`);
    if (restless === undefined || performance.now() > end) return restless;
  }
}

function unfinished({ ledger, processes, agents }: World, books: Map<string, Books>): string | undefined {
  const starting = processes.find(({ ready }) => !ready);
  if (starting !== undefined) return `${starting.name} is not ready`;
  // What waits for hostile accounts, whose mailboxes are full, waits on.
  const isOurs = (key: string) =>
    !key.startsWith("queue/") || agents.some(({ name }) => key.startsWith(`queue/${name}/`));
  for (const [name, { waiting }] of books) {
    const key = waiting.find(isOurs);
    if (key !== undefined) return `${name} still has ${key}`;
  }
  for (const { letter, from, excused, queuedAt, outcomeForgotten } of ledger.entries.values()) {
    if (excused.size > 0) continue;
    const state = books.get(from)?.sent.get(letter.id)?.state;
    if (queuedAt === undefined) return `${letter.id} is not queued`;
    if (state === "queued" || state === "stored" || (state === "received" && outcomeForgotten !== "received"))
      return `${letter.id} is still ${state}`;
  }
  return undefined;
}

async function stop(world: World): Promise<void> {
  for (const agent of world.agents) agent.ended = true;
  for (const relay of world.relays.all) relay.ended = true;
  const agents = world.agents.flatMap(({ processes }) => processes);
  const ends = async (process: (typeof agents)[number]) => {
    const code = await process.end("SIGTERM");
    if (code !== 0) world.ledger.violation(`${process.name} ended with ${code} when it was asked to: ${process.text}`);
  };
  await Promise.all(agents.map(ends));
  await Promise.all(world.relays.all.map(({ process }) => ends(process)));
  for (const { proxy } of world.agents) await proxy[Symbol.asyncDispose]();
  for (const { name, text } of world.processes)
    if (/^\s+at .*:\d+:\d+\)?$/m.test(text))
      world.ledger.violation(`${name} has printed a stack: ${text.slice(0, 2000)}`);
}

function checkIntegrity(verdict: Verdict, folder: string, file: string): void {
  const found = integrity(folder, file);
  if (found !== "ok") verdict.other.push(`${folder}/${file} is damaged: ${found}`);
}
