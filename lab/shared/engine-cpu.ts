import { readFileSync } from "node:fs";
import { childrenOf } from "./descendants.ts";
import type { Postgres } from "./postgres.ts";

/** Ticks of the system's clock a second, by which it counts CPU (proc(5)). */
const TICKS = 100;

/** Microseconds of CPU that all processes of an engine have used, those included that have ended. */
export function engineCpu({ pid }: Pick<Postgres, "pid">): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + cpuOf(each), 0);
}

/** Bytes of memory that all of them take: what some share is divided among these. */
export function engineMemory({ pid }: Pick<Postgres, "pid">): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + memoryOf(each), 0);
}

function cpuOf(pid: number): number {
  try {
    // Behind the name, which may have spaces: the 14th to 17th field are its time in user mode and in the kernel, and that of its children that have ended.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return (fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * 1e6) / TICKS;
  } catch {
    return 0;
  }
}

function memoryOf(pid: number): number {
  try {
    const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? [];
    return Number(kib) * 1024;
  } catch {
    return 0;
  }
}
