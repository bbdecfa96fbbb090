/** Which records a store has, as a number. It rises when a version before would misread, or end, what is written from now on. */
import { AgentError } from "../errors.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";

/** 1: MLS states in one piece, other sides of conversations in their records. 2: in parts; members have records of their own. */
export const FORMAT = 2;
const KEY = "meta/format";

/** Whether the records were lifted to {@link FORMAT}, or are newer. */
export async function isLifted(tx: ReadTransaction): Promise<boolean> {
  return (await formatOf(tx)) >= FORMAT;
}

export function sayLifted(tx: WriteTransaction): Promise<void> {
  return tx.put(KEY, String(FORMAT));
}

/** @throws AgentError store_newer */
export async function checkFormat(tx: ReadTransaction): Promise<void> {
  const format = await formatOf(tx);
  if (format > FORMAT) throw newer(format);
}

export function newer(format: number): AgentError {
  return new AgentError("store_newer", `the store was written by a newer version (format ${format})`, {
    hint: "update aimessage",
  });
}

async function formatOf(tx: ReadTransaction): Promise<number> {
  return Number((await tx.get(KEY)) ?? 1);
}
