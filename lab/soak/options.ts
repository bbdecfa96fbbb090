import { parse, whole } from "../shared/command-line.ts";
import { FIRST_MINUTE } from "./watch.ts";

const LEAST_MINUTES = FIRST_MINUTE + 1;
export const usage = "npm run soak -- [--minutes N] [--relays N] [--json]";

/** @throws UsageError */
export function readOptions(args: string[]): { minutes: number; relays: number; json: boolean } {
  const { minutes, relays, json } = parse(args, {
    minutes: { type: "string", default: "10" },
    relays: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  });
  return {
    minutes: whole("minutes", minutes, { least: LEAST_MINUTES }),
    relays: whole("relays", relays, { least: 1, most: 9 }),
    json,
  };
}
