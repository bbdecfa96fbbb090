import { parseArgs } from "node:util";
import { figures, type FigureName } from "./figures/index.ts";

export interface Options {
  json: boolean;
  /** How long each side of a round is measured. */
  seconds: number;
  only: FigureName[];
}

/** The command line is wrong; one sentence says what. */
export class UsageError extends Error {}

const names = Object.keys(figures) as FigureName[];

export const help = `Usage: npm run bench -- [options]

Measures each figure beside its floor, in turns, on this machine. docs/benchmarks.md says what they mean.

  --only NAME      one figure, repeatable: ${names.join(", ")}
  --seconds N      how long each side of a round is measured (default 2)
  --json           print JSON
  --help           print this help
`;

/** @throws UsageError */
export function readOptions(argv: string[]): Options | "help" {
  const { json, seconds, only, help } = parse(argv);
  if (help) return "help";
  const number = Number(seconds);
  if (!(number > 0 && number <= 60)) throw new UsageError(`--seconds needs a number up to 60, not '${seconds}'`);
  const unknown = only.find((name) => !Object.hasOwn(figures, name));
  if (unknown !== undefined) throw new UsageError(`--only needs one of ${names.join(", ")}, not '${unknown}'`);
  return { json, seconds: number, only: only.length === 0 ? names : (only as FigureName[]) };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        json: { type: "boolean", default: false },
        seconds: { type: "string", default: "2" },
        only: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
