import { loadavg } from "node:os";
import { median } from "../shared/percentiles.ts";
import type { Worker } from "../shared/worker.ts";
import type { Contents } from "./files.ts";
import { newTimes, type Report, type Times, timings } from "./samples.ts";

export const groups = ["relay", "engine", "awake", "sleepy"] as const;
export type Group = (typeof groups)[number];

export interface Database {
  /** Bytes of its write-ahead log. */
  log: () => number;
  contents: () => Contents | Promise<Contents>;
}

/** A process that must not grow. */
export interface Watched {
  group: Group;
  /** Tells of its memory and CPU (see serve.ts). */
  worker: Pick<Worker, "ask">;
  /** Relays of a cluster share one. */
  database: Database;
}

/** What the processes of a group were in one minute, each on average. */
export interface Figures {
  /** Resident bytes as it runs, the median of the samples. */
  resident: number;
  /** Resident bytes at the end when all garbage was collected, if it was. */
  collected?: number;
  /** Bytes of the write-ahead log, the largest that was seen of any. */
  log: number;
  /** Bytes of the database's file at the end. */
  file: number;
  /** Messages that the database remembers at the end. */
  kept: number;
  /** Bytes by which the database has grown for each message that it began to remember, in this minute and the one before. */
  bytesEach: number;
  /** Rows at the end that belong to no message. */
  others: number;
  /** Bytes at the end of tables that have nothing to remember, if that is known. */
  passing?: number | undefined;
  /** Microseconds of CPU for each message. */
  cpuEach: number;
  /** Rows of the first of them at the end, by table or prefix. */
  rows: Record<string, number>;
}

export interface Minute {
  /** Of a group that takes part. */
  figures: Partial<Record<Group, Figures>>;
  times: Times;
  /** Processes of this machine that wanted a core at its end, by the system's average of a minute. */
  load: number;
}

interface Mark {
  contents: Contents;
  cpu: number;
}

/** The minute that the last is compared with, from 1: the one before it warms up. */
export const FIRST_MINUTE = 2;
/** A log is emptied now and then: that it was full is seen only by looking often. Milliseconds. */
const LOG_MS = 200;

/** Looks at the processes, and makes minutes of what it sees. */
export class Watch implements Disposable {
  readonly minutes: Minute[] = [];
  readonly #all: Watched[];
  readonly #timer: NodeJS.Timeout;
  #samples: { worker: Watched["worker"]; resident: number }[] = [];
  #logs = new Map<Group, number>();
  #times = newTimes();
  /** By minute, the latest last: what was at their ends. */
  readonly #marks: Map<Watched, Mark>[] = [];

  constructor(all: Watched[]) {
    this.#all = all;
    this.#timer = setInterval(() => {
      for (const { group, database } of all)
        this.#logs.set(group, Math.max(this.#logs.get(group) ?? 0, database.log()));
    }, LOG_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  add({ times }: Report): void {
    for (const what of timings) this.#times[what].push(...times[what]);
  }

  async sample(): Promise<void> {
    for (const { worker } of this.#all) this.#samples.push({ worker, resident: await worker.ask<number>("resident") });
  }

  /** Begins the first minute, or ends one. `collect`: with a garbage collection behind it, which disturbs the next. */
  async mark({ collect }: { collect: boolean }): Promise<void> {
    const mark = new Map<Watched, Mark>();
    const read = new Map<Database, Contents>();
    for (const one of this.#all) {
      const contents = read.get(one.database) ?? (await one.database.contents());
      read.set(one.database, contents);
      mark.set(one, { contents, cpu: await one.worker.ask<number>("cpu") });
    }
    this.#marks.push(mark);
    if (this.#marks.length > 1) {
      const figures: Minute["figures"] = {};
      for (const group of new Set(this.#all.map((one) => one.group))) {
        figures[group] = this.#figures(group);
        if (collect) figures[group].collected = await this.#collect(group);
      }
      this.minutes.push({ figures, times: this.#times, load: loadavg()[0] ?? 0 });
    }
    this.#samples = [];
    this.#logs = new Map();
    this.#times = newTimes();
  }

  /** @returns resident bytes, on average */
  async #collect(group: Group): Promise<number> {
    const members = this.#membersOf(group);
    let total = 0;
    for (const { worker } of members) total += await worker.ask<number>("memory");
    return total / members.length;
  }

  #membersOf(group: Group): Watched[] {
    return this.#all.filter((one) => one.group === group);
  }

  #figures(group: Group): Figures {
    const members = this.#membersOf(group);
    const mean = (value: (one: Watched) => number) =>
      members.reduce((total, one) => total + value(one), 0) / members.length;
    const now = (one: Watched) => this.#marks.at(-1)?.get(one) as Mark;
    const growth = (value: (mark: Mark) => number, minutes: number) => {
      const then = this.#marks.at(-1 - minutes) ?? this.#marks[0];
      return mean((one) => value(now(one)) - value(then?.get(one) as Mark));
    };
    const resident = ({ worker }: Watched) =>
      median(this.#samples.filter((one) => one.worker === worker).map((one) => one.resident));
    return {
      resident: mean(resident),
      log: this.#logs.get(group) ?? 0,
      file: mean((one) => now(one).contents.file),
      kept: mean((one) => kept(now(one))),
      bytesEach: growth(({ contents }) => contents.bytes, 2) / growth(kept, 2),
      others: mean((one) => now(one).contents.others),
      passing: now(members[0] as Watched).contents.passing,
      cpuEach: growth(({ cpu }) => cpu, 1) / growth(kept, 1),
      rows: now(members[0] as Watched).contents.rows,
    };
  }
}

function kept({ contents }: Mark): number {
  return contents.kept;
}
