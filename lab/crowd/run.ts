/** A group of many at one relay: one of them sleeps until its mailbox is full, and all others go on. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startRelay } from "../shared/relay.ts";
import { startWorker, type Worker } from "../shared/worker.ts";
import type { Order, Outcome, Report, Times } from "./member.ts";
import type { Options } from "./options.ts";
import { countBodies, countLapsed, type StoredBodies } from "./relay-disk.ts";

/** Looks at what is waited for. Milliseconds. */
const LOOK_MS = 1_000;
/** So long everything may stand still before it is given up. */
const STILL_MS = 600_000;
/** Messages of a sender that may be under way, at most. */
const WINDOW = 20;

export interface Outcomes {
  /** While all fit into the sleeper's mailbox, and when they do not any more. */
  first: Times[];
  second: Times[];
  /** At the relay, after the first half. */
  stored: StoredBodies;
  /** Members without room, after the second half. */
  lapsed: number;
  outcomes: Outcome[];
  handled: Map<string, number>;
  doubled: string[];
  /** Of each sender: receipts that reached it, by second of the relay's clock. */
  directs: Map<string, Map<number, number>>;
  /** From the moment on when the sleeper woke until all had handled all. Milliseconds. */
  back: number;
  seconds: number;
}

/** Members of a group in several processes. */
class Crowd implements AsyncDisposable {
  readonly #workers: Worker[];
  readonly #names: string[];

  constructor(workers: Worker[], names: string[]) {
    this.#workers = workers;
    this.#names = names;
  }

  /** The process in which a member lives. */
  of(name: string): Worker {
    return this.#workers[this.#names.indexOf(name) % this.#workers.length]!;
  }

  async open(place: { server: string; folder: string }): Promise<void> {
    const namesOf = (worker: Worker) => this.#names.filter((name) => this.of(name) === worker);
    await Promise.all(this.#workers.map((worker) => worker.ask("open", { ...place, names: namesOf(worker) })));
  }

  async areIn(): Promise<boolean> {
    return (await Promise.all(this.#workers.map((worker) => worker.ask<boolean>("isIn")))).every(Boolean);
  }

  reports(): Promise<Report[]> {
    return Promise.all(this.#workers.map((worker) => worker.ask<Report>("report")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ask("close").catch(() => undefined)));
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()));
  }
}

/** @param folder an empty folder on disk */
export async function run(options: Options, folder: string, progress: (text: string) => void): Promise<Outcomes> {
  const begun = performance.now();
  const half = Math.floor(options.messages / 2);
  // More than half of the messages finds no room. Who has said nothing has a sixteenth of its mailbox for a group, and the others a quarter: those
  // who send have receipts there, and must not be full when they are slow for a moment.
  const room = half + Math.ceil(half / 5);
  const relayFolder = join(folder, "relay");
  await using relay = await startRelay(relayFolder, { args: ["--mailbox-messages", String(16 * room)] });
  const names = Array.from({ length: options.members }, (_, at) => `member${at}`);
  const senders = names.slice(0, options.senders);
  const sleeper = names.at(-1)!;
  const workers: Worker[] = [];
  for (let at = 0; at < options.processes; at++)
    workers.push(await startWorker(new URL("./member.ts", import.meta.url)));
  await using crowd = new Crowd(workers, names);
  const homes = join(folder, "members");
  mkdirSync(homes);

  progress(`opening ${names.length} agents`);
  await crowd.open({ server: `ws://localhost:${relay.port}/ws`, folder: homes });
  progress("founding");
  const [founder] = names as [string];
  await crowd.of(founder).ask("create", { by: founder, others: names.slice(1) });
  await until("all are in", async () => ((await crowd.areIn()) ? undefined : "0"));
  await crowd.of(sleeper).ask("sleep", sleeper);

  const window = Math.max(1, Math.min(WINDOW, Math.floor(half / 6 / senders.length)));
  const say = async (count: number): Promise<Times[]> => {
    const each = senders.map((by, at) => {
      const own = Math.floor(count / senders.length) + (at < count % senders.length ? 1 : 0);
      const order: Order = { by, count: own, window, atLeast: names.length - 2 };
      return crowd.of(by).ask<Times[]>("send", order);
    });
    return (await Promise.all(each)).flat();
  };
  progress(`the first ${half} messages`);
  const first = await say(half);
  const disk = join(relayFolder, "db");
  const stored = countBodies(disk);
  progress("the others, for which the sleeper's mailbox has no room");
  const second = await say(options.messages - half);
  const lapsed = countLapsed(disk);

  progress("the sleeper wakes");
  const woken = performance.now();
  await crowd.of(sleeper).ask("wake", sleeper);
  const outcomesOf = async () =>
    (await Promise.all(senders.map((by) => crowd.of(by).ask<Outcome[]>("outcomes", by)))).flat();
  await until(
    "all have handled all",
    async () => {
      const open = (await outcomesOf()).map(({ handled }) => names.length - 1 - handled).reduce((a, b) => a + b, 0);
      return open === 0 ? undefined : `${open} are still to be handled`;
    },
    progress,
  );
  const back = performance.now() - woken;
  const reports = await crowd.reports();
  return {
    first,
    second,
    stored,
    lapsed,
    outcomes: await outcomesOf(),
    handled: new Map(reports.flatMap(({ handled }) => handled)),
    doubled: reports.flatMap(({ doubled }) => doubled),
    directs: new Map(
      reports
        .flatMap(({ directs }) => directs)
        .filter(([name]) => senders.includes(name))
        .map(([name, seconds]) => [name, new Map(seconds)]),
    ),
    back,
    seconds: Math.round((performance.now() - begun) / 1_000),
  };
}

/** Until nothing is open any more, or nothing has moved for long: what is open then is seen in what all say. */
async function until(
  what: string,
  open: () => Promise<string | undefined>,
  progress: (text: string) => void = () => undefined,
): Promise<void> {
  let [last, moved] = ["", performance.now()];
  for (;;) {
    const now = await open();
    if (now === undefined) return;
    if (now !== last) [last, moved] = [now, performance.now()];
    progress(now === "0" ? `waiting until ${what}` : now);
    if (performance.now() - moved > STILL_MS) return;
    await delay(LOOK_MS);
  }
}
