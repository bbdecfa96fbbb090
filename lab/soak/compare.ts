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

type Compared = [string, string, (figures: Figures) => number | undefined, number | undefined];

/** What is compared of each group of processes. A shared machine gives twice the CPU in one minute as in the next. */
const OF_PROCESSES: Compared[] = [
  ["memory, garbage collected", " MiB", ({ collected = Number.NaN }) => collected / MIB, 1.2],
  ["memory as it runs", " MiB", ({ resident }) => resident / MIB, 1.5],
  ["CPU for each message", " us", ({ cpuEach }) => cpuEach, 1.5],
];

const OF_DATABASES: Compared[] = [
  ["write-ahead log", " MiB", ({ log }) => log / MIB, 1.3],
  ["database file, with what it remembers", " MiB", ({ file }) => file / MIB, undefined],
  ["messages remembered", "", ({ kept }) => kept, undefined],
  ["database, for each more of them", " B", ({ bytesEach }) => bytesEach, 1.3],
  ["rows that belong to no message", "", ({ others }) => others, 1.3],
  // Rows that are deleted take room until the next vacuum, for which there have to be some.
  ["tables that remember nothing", " MiB", ({ passing }) => (passing === undefined ? undefined : passing / MIB), 2],
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
        row(`${NAMES[group]}: ${title}`, unit, ({ figures }) => measured(value, figures[group]) ?? Number.NaN, atMost),
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
  // Relays of a cluster have no database but the engine's.
  const all = group === "relay" && figures.engine !== undefined ? OF_PROCESSES : [...OF_PROCESSES, ...OF_DATABASES];
  return all.filter(([, , value]) => measured(value, figures[group]) !== undefined);
}

function measured(value: Compared[2], figures: Figures | undefined): number | undefined {
  return figures && value(figures);
}

/** Milliseconds by which the minutes' machines are compared. */
function floor({ times }: Minute): number {
  return percentile(times.floor, 0.5);
}
