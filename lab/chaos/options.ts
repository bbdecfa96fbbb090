import { randomInt } from "node:crypto";
import { parse, UsageError, whole } from "../shared/command-line.ts";
import { bugs, type Bug } from "./bugs.ts";
import { type Fault, faults, type Schedule } from "./plan.ts";

export interface Options extends Schedule {
  json: boolean;
  bug: Bug | undefined;
  /** Hostile accounts attack relay and agents meanwhile. */
  strangers: boolean;
  /** Many messages have files, and some of these are large. */
  files: boolean;
  /** There are teams, too. */
  groups: boolean;
}

export const usage = `npm run chaos -- [--seed N] [--cycles N] [--agents N] [--without FAULT ...] [--groups] [--files] [--relays N] [--no-strangers] [--json] [--bug ${bugs.join("|")}]`;

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { seed, cycles, agents, relays, without, json, ...given } = parse(args, {
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    cycles: { type: "string", default: "50" },
    agents: { type: "string" },
    relays: { type: "string", default: "1" },
    groups: { type: "boolean", default: false },
    without: { type: "string", multiple: true, default: [] },
    files: { type: "boolean", default: false },
    "no-strangers": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    bug: { type: "string" },
  });
  const bug = bugs.find((name) => name === given.bug);
  if (given.bug !== undefined && bug === undefined) throw new UsageError("there is no such bug");
  if (!without.every((name) => faults.some((fault) => fault === name)) || without.length >= faults.length)
    throw new UsageError(`--without takes some of: ${faults.join(", ")}`);
  return {
    without: without as Fault[],
    seed: whole("seed", seed, { least: 0 }),
    cycles: whole("cycles", cycles, { least: 1 }),
    agents: whole("agents", agents ?? (given.groups ? "12" : "4"), { least: given.groups ? 4 : 2 }),
    relays: whole("relays", relays, { least: 1, most: 9 }),
    json,
    bug,
    strangers: !given["no-strangers"],
    files: given.files,
    groups: given.groups,
  };
}
