import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";

export interface Options {
  frames: number;
  seed: number;
  connections: number;
  json: boolean;
}

/** The command line is wrong; one sentence says what. */
export class UsageError extends Error {}

export const help = `Usage: npm run fuzz -- [options]

Sends a relay frames that are plausible, and frames that are not, while two agents beside them must lose nothing.
CONTRIBUTING.md says what is looked at.

  --frames N        how many (default 100000)
  --seed N          repeats what is sent
  --connections N   how many at once (default 24)
  --json            print JSON
  --help            print this help
`;

/** @throws UsageError */
export function readOptions(argv: string[]): Options | "help" {
  const { values } = parse(argv);
  if (values.help) return "help";
  return {
    frames: whole("--frames", values.frames, 1, 1e9),
    seed: values.seed === undefined ? randomInt(2 ** 31) : whole("--seed", values.seed, 0, 2 ** 31 - 1),
    connections: whole("--connections", values.connections, 1, 1000),
    json: values.json,
  };
}

function whole(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new UsageError(`${flag} needs a whole number from ${least} to ${most}, not '${text}'`);
  return number;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        frames: { type: "string", default: "100000" },
        seed: { type: "string" },
        connections: { type: "string", default: "24" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
