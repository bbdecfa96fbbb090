/** What the processes of a soak tell of themselves. */

export interface Posted {
  id: string;
  from: string;
  to: string;
  expires: boolean;
}

/** What is timed. Milliseconds. */
export const timings = ["stored", "handled", "waking", "relayed", "login", "visit", "floor"] as const;
export type Timing = (typeof timings)[number];
export type Times = Record<Timing, number[]>;

/** What has happened in a process since its last report. */
export interface Report {
  posted: Posted[];
  /** Ids of messages, one for each time that a handler has succeeded. */
  handled: string[];
  errors: string[];
  times: Times;
}

export function newTimes(): Times {
  return { stored: [], handled: [], waking: [], relayed: [], login: [], visit: [], floor: [] };
}

/** Gathers what happens until it is taken: a process that kept it would grow by itself. */
export class Reporter {
  #report = newReport();

  posted(letter: Posted): void {
    this.#report.posted.push(letter);
  }

  handled(id: string): void {
    this.#report.handled.push(id);
  }

  /** @param started by `performance.now()` */
  timed(what: Timing, started: number): void {
    this.#report.times[what].push(performance.now() - started);
  }

  failed(error: unknown): void {
    this.#report.errors.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }

  take(): Report {
    const report = this.#report;
    this.#report = newReport();
    return report;
  }
}

function newReport(): Report {
  return { posted: [], handled: [], errors: [], times: newTimes() };
}
