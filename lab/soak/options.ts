import { parseArgs } from "node:util";
import { FIRST_MINUTE } from "./watch.ts";

export class UsageError extends Error {}

const LEAST_MINUTES = FIRST_MINUTE + 1;
const usage = "npm run soak -- [--minutes N] [--json]";

/** @throws UsageError */
export function readOptions(args: string[]): { minutes: number; json: boolean } {
  let values: { minutes: string; json: boolean };
  try {
    ({ values } = parseArgs({
      args,
      options: { minutes: { type: "string", default: "10" }, json: { type: "boolean", default: false } },
    }));
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
  const minutes = Number(values.minutes);
  if (!Number.isSafeInteger(minutes) || minutes < LEAST_MINUTES)
    throw new UsageError(
      `--minutes needs a whole number, at least ${LEAST_MINUTES}, not '${values.minutes}'\n${usage}`,
    );
  return { minutes, json: values.json };
}
