import { parseArgs } from "node:util";
import { bugs, type Bug } from "./bugs.ts";

export interface Options {
  seed: number;
  cycles: number;
  agents: number;
  json: boolean;
  bug: Bug | undefined;
}

export class UsageError extends Error {}

const usage = `npm run chaos -- [--seed N] [--cycles N] [--agents N] [--json] [--bug ${bugs.join("|")}]`;

/** @throws UsageError */
export function readOptions(argv: string[]): Options {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        seed: { type: "string" },
        cycles: { type: "string" },
        agents: { type: "string" },
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
  return {
    seed: whole("seed", Math.floor(Math.random() * 2 ** 31), 0),
    cycles: whole("cycles", 50, 1),
    agents: whole("agents", 4, 2),
    json: values["json"] === true,
    bug,
  };
}
