import { constants, PerformanceObserver } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Heap } from "../src/socket/heap.ts";

const CHUNK = 65_536;
const CHUNKS = 8_192;
const { NODE_PERFORMANCE_GC_MAJOR: MAJOR, NODE_PERFORMANCE_GC_INCREMENTAL: INCREMENTAL } = constants;

/** Collections of everything while so many buffers of files pass through. */
async function collections(carry: (bytes: number) => void): Promise<number> {
  let count = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
      if (kind === MAJOR || kind === INCREMENTAL) count += 1;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    carry(Buffer.allocUnsafeSlow(CHUNK).length);
    if (chunk % 8 === 0) await delay(0);
  }
  await delay(10);
  observer.disconnect();
  return count;
}

describe.skipIf(process.versions.bun !== undefined)("what files leave in memory", () => {
  it("is collected while it is young: not everything is, again and again", async () => {
    const heap = new Heap();
    const without = await collections(() => {});
    const withIt = await collections((bytes) => heap.carry(bytes));
    console.info(`${without} collections of everything for 512 MiB that V8 is left alone with, ${withIt} otherwise`);
    expect(withIt).toBeLessThan(without / 2);
  });
});
