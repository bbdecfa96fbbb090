import type { OpRecord } from "./team-records.ts";

/** Whether it is no change that the owner has asked for. */
export function isOfLink({ kind }: OpRecord): boolean {
  return ["release", "readmit", "rejoin", "update", "refound"].includes(kind);
}
