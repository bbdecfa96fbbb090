import { parse, UsageError } from "../shared/command-line.ts";
import { figures, type FigureName } from "./figures/index.ts";

export interface Options {
  json: boolean;
  /** How long each side of a round is measured. */
  seconds: number;
  only: FigureName[];
}

const names = Object.keys(figures) as FigureName[];
const OF_A_CLUSTER: FigureName[] = ["cluster", "wakeup", "mailboxes"];

export const usage = `Usage: npm run bench -- [options]

Measures each figure beside its floor, in turns, on this machine. docs/benchmarks.md says what they mean.

  --only NAME      one figure, repeatable: ${names.join(", ")}
  --cluster        those of several relays over PostgreSQL: ${OF_A_CLUSTER.join(", ")}
  --seconds N      how long each side of a round is measured (default 2)
  --json           print JSON
  --help           print this help`;

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { json, seconds, cluster, ...given } = parse(args, {
    json: { type: "boolean", default: false },
    cluster: { type: "boolean", default: false },
    seconds: { type: "string", default: "2" },
    only: { type: "string", multiple: true, default: [] },
  });
  const number = Number(seconds);
  if (!(number > 0 && number <= 60)) throw new UsageError(`--seconds needs a number up to 60, not '${seconds}'`);
  const only = [...given.only, ...(cluster ? OF_A_CLUSTER : [])];
  const unknown = only.find((name) => !Object.hasOwn(figures, name));
  if (unknown !== undefined) throw new UsageError(`--only needs one of ${names.join(", ")}, not '${unknown}'`);
  return { json, seconds: number, only: only.length === 0 ? names : (only as FigureName[]) };
}
