import { random } from "../../test/processes/processes.ts";

export const faults = [
  "kill-relay",
  "kill-sender",
  "kill-listener",
  "cut",
  "stall",
  "half-open",
  "throttle",
  "pieces",
  "delay",
  "disk-refused",
  "disk-full",
  "die-before-commit",
  "die-after-commit",
  "sync-failed",
  "clock-life",
  "clock-jump",
  "old-copy",
] as const;
export type Fault = (typeof faults)[number];

/** Of an old copy an agent recovers only slowly, and of many in a row not at all. */
const RARE: Partial<Record<Fault, number>> = { "old-copy": 0.4, "sync-failed": 0.5 };
const MOST_IN_A_CYCLE = 3;

/** A fault of the schedule: when in its cycle, of whom, and numbers from 0 to 1 for whatever else is open about it. */
export interface Planned {
  fault: Fault;
  /** Part of the cycle that is over. */
  at: number;
  agent: number;
  dice: [number, number, number];
}

export interface Mail {
  at: number;
  from: number;
  to: number;
  dice: [number, number, number];
}

export interface Cycle {
  faults: Planned[];
  mail: Mail[];
}

export interface Schedule {
  seed: number;
  cycles: number;
  agents: number;
  /** Faults that are left out. */
  without: readonly Fault[];
}

/** The schedule of a run, with so many messages in each cycle: nothing of it depends on what happens. */
export function* plan({ seed, cycles, agents, without }: Schedule, messages: number): Generator<Cycle> {
  const next = random(seed);
  const whole = (below: number) => Math.floor(next() * below);
  const dice = (): [number, number, number] => [next(), next(), next()];
  const weights = faults.map((fault) => (without.includes(fault) ? 0 : (RARE[fault] ?? 1)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const pick = (): Fault => {
    let left = next() * sum;
    return faults.find((_, index) => (left -= weights[index] ?? 0) < 0) ?? "cut";
  };
  for (let cycle = 0; cycle < cycles; cycle++) {
    const planned: Planned[] = [];
    for (let count = 1 + whole(MOST_IN_A_CYCLE); count > 0; count--)
      planned.push({ fault: pick(), at: next(), agent: whole(agents), dice: dice() });
    const mail: Mail[] = [];
    for (let count = 0; count < messages; count++) {
      const from = whole(agents);
      mail.push({ at: next(), from, to: (from + 1 + whole(agents - 1)) % agents, dice: dice() });
    }
    yield { faults: planned, mail: mail.toSorted((a, b) => a.at - b.at) };
  }
}
