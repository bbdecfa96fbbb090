import { parse, whole } from "../shared/command-line.ts";
import { FIRST_MINUTE } from "./watch.ts";

const LEAST_MINUTES = FIRST_MINUTE + 1;
export const usage = "npm run soak -- [--minutes N] [--json]";

/** @throws UsageError */
export function readOptions(args: string[]): { minutes: number; json: boolean } {
  const { minutes, json } = parse(args, {
    minutes: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
  });
  return { minutes: whole("minutes", minutes, { least: LEAST_MINUTES }), json };
}
