import { random } from "../../test/processes/processes.ts";

/** What is done to several relays, their engine, and the network between. */
const clusterFaults = ["kill-engine", "rolling-restart", "stop-relay", "engine-cut", "engine-stall"] as const;
export type ClusterFault = (typeof clusterFaults)[number];

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
  ...clusterFaults,
] as const;
export type Fault = (typeof faults)[number];

export function isOfCluster(fault: Fault): fault is ClusterFault {
  return clusterFaults.some((one) => one === fault);
}

/** Of an old copy an agent recovers only slowly, and of many in a row not at all. */
const RARE: Partial<Record<Fault, number>> = {
  "old-copy": 0.4,
  "sync-failed": 0.5,
  // Of these everybody has to recover.
  "kill-engine": 0.6,
  "rolling-restart": 0.3,
};
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

interface Cycle {
  faults: Planned[];
  mail: Mail[];
}

export interface Schedule {
  seed: number;
  cycles: number;
  agents: number;
  /** Faults that are left out. */
  without: readonly Fault[];
  relays: number;
}

/** The schedule of a run, with so many messages in each cycle: nothing of it depends on what happens. */
export function* plan({ seed, cycles, agents, without, relays }: Schedule, messages: number): Generator<Cycle> {
  const next = random(seed);
  const whole = (below: number) => Math.floor(next() * below);
  const dice = (): [number, number, number] => [next(), next(), next()];
  const isOut = (fault: Fault) =>
    without.includes(fault) || (relays === 1 ? isOfCluster(fault) : fault === "sync-failed");
  const weights = faults.map((fault) => (isOut(fault) ? 0 : (RARE[fault] ?? 1)));
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
