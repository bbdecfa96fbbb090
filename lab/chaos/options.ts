import { parseArgs } from "node:util";
import { bugs, type Bug } from "./bugs.ts";
import { type Fault, faults, type Schedule } from "./plan.ts";

export interface Options extends Schedule {
  json: boolean;
  bug: Bug | undefined;
  /** Hostile accounts attack relay and agents meanwhile. */
  strangers: boolean;
}

export class UsageError extends Error {}

const usage = `npm run chaos -- [--seed N] [--cycles N] [--agents N] [--without FAULT ...] [--no-strangers] [--json] [--bug ${bugs.join("|")}]`;

/** @throws UsageError */
export function readOptions(argv: string[]): Options {
  let values: Record<string, string | string[] | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        seed: { type: "string" },
        cycles: { type: "string" },
        agents: { type: "string" },
        without: { type: "string", multiple: true },
        "no-strangers": { type: "boolean" },
        json: { type: "boolean" },
        bug: { type: "string" },
      },
    }));
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
  const whole = (name: string, otherwise: number, least: number) => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isSafeInteger(value) || value < least) throw new UsageError(`--${name} needs a whole number\n${usage}`);
    return value;
  };
  const bug = bugs.find((name) => name === values["bug"]);
  if (values["bug"] !== undefined && bug === undefined) throw new UsageError(`there is no such bug\n${usage}`);
  const without = (values["without"] as string[] | undefined) ?? [];
  if (!without.every((name) => faults.some((fault) => fault === name)) || without.length >= faults.length)
    throw new UsageError(`--without takes some of: ${faults.join(", ")}\n${usage}`);
  return {
    without: without as Fault[],
    seed: whole("seed", Math.floor(Math.random() * 2 ** 31), 0),
    cycles: whole("cycles", 50, 1),
    agents: whole("agents", 4, 2),
    json: values["json"] === true,
    bug,
    strangers: values["no-strangers"] !== true,
  };
}
