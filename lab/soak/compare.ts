import { percentile } from "../shared/percentiles.ts";
import type { Timing } from "./samples.ts";
import { type Figures, FIRST_MINUTE, type Group, groups, type Minute } from "./watch.ts";

/** One figure in the first minute and in the last. */
export interface Row {
  title: string;
  unit: string;
  first: number;
  last: number;
  /** Last to first; of a latency, less what the floor's has changed by. */
  ratio: number;
  /** How many times the first the last may be; undefined if it is only shown. */
  atMost: number | undefined;
  ok: boolean;
}

const NAMES: Record<Group, string> = {
  relay: "relay",
  engine: "PostgreSQL",
  awake: "agent",
  sleepy: "agent that sleeps",
};
const MIB = 2 ** 20;

type Compared = [string, string, (figures: Figures) => number, number | undefined];

const resident = (atMost: number): Compared => [
  "memory as it runs",
  " MiB",
  ({ resident: bytes }) => bytes / MIB,
  atMost,
];
/** A shared machine gives twice the CPU in one minute as in the next. */
const CPU: Compared = ["CPU for each message", " us", ({ cpuEach }) => cpuEach, 1.5];
const log = (atMost: number): Compared => ["write-ahead log", " MiB", ({ log: bytes }) => bytes / MIB, atMost];

/** What is compared of each group of processes. */
const OF_PROCESSES: Compared[] = [
  ["memory, garbage collected", " MiB", ({ collected = Number.NaN }) => collected / MIB, 1.2],
  resident(1.5),
  CPU,
];

const OF_ROWS: Compared[] = [
  ["database file, with what it remembers", " MiB", ({ file }) => file / MIB, undefined],
  ["messages remembered", "", ({ kept }) => kept, undefined],
  ["database, for each more of them", " B", ({ bytesEach }) => bytesEach, 1.3],
  ["rows that belong to no message", "", ({ others }) => others, 1.3],
];

/** Of PostgreSQL, which fills its memory and its log up to sizes that it is given, and keeps room of deleted rows until there are enough for a vacuum. */
const OF_ENGINE: Compared[] = [
  resident(2),
  CPU,
  log(2),
  ["tables that remember nothing", " MiB", ({ passing = Number.NaN }) => passing / MIB, 2],
  ...OF_ROWS,
];

const OF_TIMES: [string, Timing, number, number][] = [
  ["send to stored, p50", "stored", 0.5, 2],
  ["send to stored, p99", "stored", 0.99, 3],
  ["send to handled, p50", "handled", 0.5, 2],
  ["send to handled, p99", "handled", 0.99, 3],
  ["token message to its recipient, p50", "relayed", 0.5, 2],
  ["token message to its recipient, p99", "relayed", 0.99, 3],
  ["login on a fresh connection, p50", "login", 0.5, 2],
  ["waking up and reading what waited, p50", "waking", 0.5, 2],
  ["whole `aimessage send` process, p50", "visit", 0.5, 2],
];

/** The first minute after the warm-up beside the last. */
export function compare(minutes: Minute[]): Row[] {
  const [first, last] = [minutes[FIRST_MINUTE - 1], minutes.at(-1)] as [Minute, Minute];
  const row = (title: string, unit: string, value: (minute: Minute) => number, atMost?: number, machine = 1): Row => {
    const [before, after] = [value(first), value(last)];
    // What was nothing and still is has not grown.
    const ratio = after === before ? 1 : after / before / machine;
    return { title, unit, first: before, last: after, ratio, atMost, ok: atMost === undefined || ratio <= atMost };
  };
  const machine = floor(last) / floor(first);
  return [
    ...groups.flatMap((group) =>
      comparedOf(group, first).map(([title, unit, value, atMost]) =>
        row(`${NAMES[group]}: ${title}`, unit, ({ figures: { [group]: own } }) => value(own as Figures), atMost),
      ),
    ),
    ...OF_TIMES.map(([title, timing, part, atMost]) =>
      row(title, " ms", ({ times }) => percentile(times[timing], part), atMost, machine),
    ),
    row("floor, p50", " ms", floor),
    row("load of the machine", "", ({ load }) => load),
  ];
}

function comparedOf(group: Group, { figures }: Minute): Compared[] {
  if (figures[group] === undefined) return [];
  if (group === "engine") return OF_ENGINE;
  // Relays of a cluster have no database but the engine's.
  return group === "relay" && figures.engine !== undefined ? OF_PROCESSES : [...OF_PROCESSES, log(1.3), ...OF_ROWS];
}

/** Milliseconds by which the minutes' machines are compared. */
function floor({ times }: Minute): number {
  return percentile(times.floor, 0.5);
}
