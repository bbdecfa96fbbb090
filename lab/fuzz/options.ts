import { randomInt } from "node:crypto";
import { parse, whole } from "../shared/command-line.ts";

export interface Options {
  frames: number;
  seed: number;
  connections: number;
  json: boolean;
}

export const usage = `Usage: npm run fuzz -- [options]

Sends a relay frames that are plausible, and frames that are not, while two agents beside them must lose nothing.
CONTRIBUTING.md says what is looked at.

  --frames N        how many (default 100000)
  --seed N          repeats what is sent
  --connections N   how many at once (default 24)
  --json            print JSON
  --help            print this help`;

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { frames, seed, connections, json } = parse(args, {
    frames: { type: "string", default: "100000" },
    seed: { type: "string" },
    connections: { type: "string", default: "24" },
    json: { type: "boolean", default: false },
  });
  return {
    frames: whole("frames", frames, { least: 1, most: 1e9 }),
    seed: seed === undefined ? randomInt(2 ** 31) : whole("seed", seed, { least: 0, most: 2 ** 31 - 1 }),
    connections: whole("connections", connections, { least: 1, most: 1000 }),
    json,
  };
}
