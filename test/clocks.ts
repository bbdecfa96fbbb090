import { onTestFinished } from "vitest";

const monotonic = performance.now.bind(performance);
let ahead = 0;

/** From now on, until the test ends, `performance.now()` of this process, which measures time-outs, is so much further on. */
export function moveOn(milliseconds: number): void {
  ahead += milliseconds;
  performance.now = () => monotonic() + ahead;
  onTestFinished(() => {
    ahead = 0;
    performance.now = monotonic;
  });
}
