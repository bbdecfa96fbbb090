import { random } from "../../../test/processes/processes.ts";

export const faults = [
  "kill-relay",
  "stop-relay",
  "kill-engine",
  "stall",
  "cut",
  "cut-late",
  "rolling",
  "failover",
] as const;
export type Fault = (typeof faults)[number];

/** A fault of the schedule: numbers from 0 to 1 say of whom, and whatever else is open about it. */
export interface Planned {
  fault: Fault;
  dice: [number, number, number];
}

/** All kinds of faults in any order, again and again: nothing of it depends on what happens. */
export function* plan(seed: number, kinds: readonly Fault[]): Generator<Planned> {
  const next = random(seed);
  for (;;) {
    const left = [...kinds];
    while (left.length > 0) {
      const [fault] = left.splice(Math.floor(next() * left.length), 1) as [Fault];
      yield { fault, dice: [next(), next(), next()] };
    }
  }
}
