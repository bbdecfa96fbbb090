import { readFileSync } from "node:fs";
import { childrenOf } from "./descendants.ts";
import type { Postgres } from "./postgres.ts";

/** Ticks of the system's clock a second, by which it counts CPU (proc(5)). */
const TICKS = 100;

/** Microseconds of CPU that all processes of an engine have used. */
export function engineCpu({ pid }: Pick<Postgres, "pid">): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + cpuOf(each), 0);
}

function cpuOf(pid: number): number {
  try {
    // Behind the name, which may have spaces: the 14th and 15th field are its time in user mode and in the kernel.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS;
  } catch {
    return 0;
  }
}
