import { expect, test } from "vitest";
import { compare } from "../lab/soak/compare.ts";
import { newTimes, timings } from "../lab/soak/samples.ts";
import type { Figures, Minute } from "../lab/soak/watch.ts";

const FIGURES: Figures = {
  resident: 2e8,
  collected: 1e8,
  log: 4e6,
  file: 1e7,
  kept: 1_000,
  bytesEach: 400,
  others: 100,
  cpuEach: 5_000,
  rows: {},
};

const ALONE = ["relay", "awake", "sleepy"] as const;
const CLUSTER = ["relay", "engine", "awake", "sleepy"] as const;

function minute(
  figures: Partial<Figures> = {},
  latency = 10,
  floor = 5,
  groups: typeof ALONE | typeof CLUSTER = ALONE,
): Minute {
  const times = newTimes();
  for (const what of timings) times[what] = [what === "floor" ? floor : latency];
  const all = Object.fromEntries(groups.map((group) => [group, { ...FIGURES, ...figures }]));
  return { figures: all, times, load: 1 };
}

function above(last: Minute): string[] {
  return compare([minute(), minute(), last])
    .filter(({ ok }) => !ok)
    .map(({ title }) => title);
}

test("a soak whose last minute is as its first is within all bounds, however much is remembered by then", () => {
  expect(above(minute({ file: 9e7, kept: 9_000 }))).toEqual([]);
});

test.for([
  ["memory, garbage collected", { collected: 1.3e8 }],
  ["write-ahead log", { log: 6e6 }],
  ["database, for each more of them", { bytesEach: 600 }],
  ["rows that belong to no message", { others: 200 }],
  ["CPU for each message", { cpuEach: 9_000 }],
] as const)("a soak names what has grown: %s", ([title, figures]) => {
  const named = above(minute(figures));
  expect(named).toHaveLength(ALONE.length);
  for (const name of named) expect(name).toContain(title);
});

test("latencies count by what they have become beside the floor, on a machine that has become slower", () => {
  expect(above(minute({}, 50, 25))).toEqual([]);
  expect(above(minute({}, 50, 5))).toContain("send to handled, p50");
});

test("what was not measured is not within its bound", () => {
  const last = minute();
  last.times.waking = [];
  expect(above(last)).toEqual(["waking up and reading what waited, p50"]);
});

test("relays of a cluster have no database but PostgreSQL's, whose tables must not grow by what passes through", () => {
  const [first, last] = [1e7, 2.5e7].map((passing) => minute({ passing, log: passing }, 10, 5, CLUSTER)) as [
    Minute,
    Minute,
  ];
  const rows = compare([first, first, last]).filter(
    ({ title }) => title.includes("relay") || title.includes("PostgreSQL"),
  );
  expect(rows.filter(({ ok }) => !ok).map(({ title }) => title)).toEqual([
    "PostgreSQL: write-ahead log",
    "PostgreSQL: tables that remember nothing",
  ]);
});
