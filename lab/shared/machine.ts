import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg, platform, release } from "node:os";
import { join } from "node:path";
import { median } from "./percentiles.ts";

/** What the figures were measured on. */
export interface Machine {
  cores: number;
  processor: string;
  system: string;
  /** Node or Bun, and its version. */
  runtime: string;
  /** Processes that want a core, on average, when the run began: well below the number of cores is quiet. */
  load: number;
  /** Median of writing 4 KiB to disk for good. Durable figures follow it. */
  syncMilliseconds: number;
}

const SYNCS = 100;

/** @param folder where the databases of the run will be */
export function describeMachine(folder: string): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? "unknown",
    system: `${platform()} ${release()}`,
    runtime: process.versions["bun"] === undefined ? `Node ${process.version}` : `Bun ${process.versions["bun"]}`,
    load: loadavg()[0] ?? 0,
    syncMilliseconds: timeSync(join(folder, "sync-probe")),
  };
}

/** One line for people. */
export function describe({ cores, processor, system, runtime, load, syncMilliseconds }: Machine): string {
  return `${cores} cores (${processor}), ${system}, ${runtime}, fdatasync ${syncMilliseconds.toFixed(2)} ms, load ${load.toFixed(1)}`;
}

function timeSync(file: string): number {
  const descriptor = openSync(file, "w");
  const page = Buffer.alloc(4096);
  const times = Array.from({ length: SYNCS }, (_, index) => {
    const started = performance.now();
    writeSync(descriptor, page, 0, page.length, index * page.length);
    fdatasyncSync(descriptor);
    return performance.now() - started;
  });
  closeSync(descriptor);
  return median(times);
}
