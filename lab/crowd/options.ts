import { parse, whole } from "../shared/command-line.ts";

export interface Options {
  members: number;
  messages: number;
  /** Members that send them. Receipts go to these. */
  senders: number;
  /** Processes that share the members. */
  processes: number;
  json: boolean;
}

export const usage = "npm run crowd -- [--members N] [--messages N] [--senders N] [--processes N] [--json]";

/** @throws UsageError */
export function readOptions(args: string[]): Options {
  const { members, messages, senders, processes, json } = parse(args, {
    members: { type: "string", default: "400" },
    messages: { type: "string", default: "1000" },
    senders: { type: "string", default: "2" },
    processes: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  });
  const count = whole("senders", senders, { least: 1, most: 20 });
  return {
    members: whole("members", members, { least: count + 2, most: 1_000 }),
    messages: whole("messages", messages, { least: 20 * count }),
    senders: count,
    processes: whole("processes", processes, { least: 1, most: 16 }),
    json,
  };
}
