import { randomInt } from "node:crypto";
import { parse, UsageError, whole } from "../../shared/command-line.ts";
import { type Bug, bugs } from "./bugs.ts";
import { type Fault, faults } from "./plan.ts";

export interface Options {
  seed: number;
  /** How long there are faults. */
  seconds: number;
  pairs: number;
  kinds: readonly Fault[];
  bug: Bug | undefined;
  json: boolean;
}

export const usage = `npm run chaos:cluster -- [--seconds N] [--seed N] [--pairs N] [--rolling | --failover | --fault ${faults.join("|")} ...] [--json] [--bug ${bugs.join("|")}]`;

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { seconds, seed, pairs, json, fault, ...given } = parse(args, {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    pairs: { type: "string", default: "4" },
    fault: { type: "string", multiple: true, default: [] },
    rolling: { type: "boolean", default: false },
    failover: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    bug: { type: "string" },
  });
  const bug = bugs.find((name) => name === given.bug);
  if (given.bug !== undefined && bug === undefined) throw new UsageError("there is no such bug");
  const named = [...fault, ...(given.rolling ? ["rolling"] : []), ...(given.failover ? ["failover"] : [])];
  const kinds = faults.filter((name) => named.includes(name));
  if (kinds.length < new Set(named).size) throw new UsageError(`--fault takes one of: ${faults.join(", ")}`);
  return {
    seed: whole("seed", seed, { least: 0 }),
    seconds: whole("seconds", seconds, { least: 1 }),
    pairs: whole("pairs", pairs, { least: 2 }),
    kinds: named.length > 0 ? kinds : faults,
    bug,
    json,
  };
}
