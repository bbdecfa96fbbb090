import { median } from "../shared/percentiles.ts";
import type { Worker } from "../shared/worker.ts";

/** A figure beside its floor: what was measured in the same run, in turns. */
export interface Result {
  /** What `--only` selects it by. */
  figure: string;
  title: string;
  unit: string;
  /** Medians of the rounds. */
  value: number;
  floor: number;
  /** Median of the rounds' ratios, value to floor: what changes of the machine's speed between rounds do not move. */
  ratio: number;
  /** What the ratio should reach or stay below, or the value itself; undefined if it is only shown. */
  aim: { atLeast: number } | { atMost: number } | { under: number } | undefined;
  /** Microseconds of CPU that the relay spent on each, in all its threads; undefined if that says nothing. */
  relayCpu?: number | undefined;
  /** The same of the engine of a cluster. */
  engineCpu?: number | undefined;
}

/** How a figure is measured. */
export interface Plan {
  seconds: number;
  /** An empty folder on disk for this figure alone. */
  folder: string;
  progress: (text: string) => void;
}

const ROUNDS = 5;

/** Measures value and floor in turns, the order changing from round to round, after one round that does not count. */
export async function compare(
  about: Pick<Result, "figure" | "title" | "unit" | "aim">,
  progress: Plan["progress"],
  measure: { value: () => Promise<number>; floor: () => Promise<number> },
  rounds = ROUNDS,
): Promise<Result> {
  const values: number[] = [];
  const floors: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    progress(`${about.title}: ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}`);
    const order = round % 2 === 0 ? (["floor", "value"] as const) : (["value", "floor"] as const);
    for (const side of order) {
      const measured = await measure[side]();
      if (round > 0) (side === "value" ? values : floors).push(measured);
    }
  }
  return {
    ...about,
    value: median(values),
    floor: median(floors),
    ratio: median(values.map((value, index) => value / (floors[index] as number))),
  };
}

/** Counts what the relay's CPU does meanwhile. @returns the measured rate, and keeps microseconds for each */
export function withCpu(relay: Worker, measure: () => Promise<number>) {
  const spent: number[] = [];
  return {
    value: async () => {
      const [cpu, started] = [await relay.ask<number>("cpu"), performance.now()];
      const rate = await measure();
      const count = (rate * (performance.now() - started)) / 1000;
      spent.push(((await relay.ask<number>("cpu")) - cpu) / count);
      return rate;
    },
    perItem: () => median(spent),
  };
}
