/** A process that attacks: all at once, or those that are named, from the moment that it is told to until it is told to stop. */
import { setPriority } from "node:os";
import { serve } from "../shared/serve.ts";
import { attacks } from "./attacks/index.ts";
import { counts, type Target } from "./foe.ts";

/** Of a process that gives way: attackers have processors of their own, which are not the attacked machine's. */
const NICENESS = 8;

let ending = new AbortController();
let running: Promise<unknown> = Promise.resolve();

setPriority(NICENESS);
serve({ start, stop });

/** @returns how many attacks have begun */
function start({ only, ...target }: Target & { only?: string[] }): number {
  ending = new AbortController();
  const { signal } = ending;
  const chosen = Object.entries(attacks).filter(([name]) => only?.includes(name) ?? true);
  running = Promise.all(
    chosen.map(([name, attack]) =>
      attack(target, signal).catch((error: unknown) => {
        if (!signal.aborted) process.stderr.write(`${name} has ended: ${String((error as Error).stack)}\n`);
      }),
    ),
  );
  return chosen.length;
}

/** @returns what was done */
async function stop(): Promise<typeof counts> {
  ending.abort();
  await running;
  return counts;
}
