/** What strangers have sent and need not be counted any more. */
import type { WriteTransaction } from "../store/store.ts";
import { pad } from "./records.ts";
import type { InboxRecord } from "./tables.ts";

/** `strange-gone/<username>/<seq>`: it is handled, or gone with this weight, and counted still; without `seq`: nothing of its sender is to be counted. */
export const LET_GO = "strange-gone/";

/** A message is handled: its body goes as soon as somebody needs the room. The link counts it until then. */
export async function mayBeLetGo(tx: WriteTransaction, { seq, from, state, strange = 0 }: InboxRecord): Promise<void> {
  if (state === "handled" && strange > 0) await tx.put(letGoKey(from, pad(seq)), "");
}

/** The owner has said what somebody is: nothing that it has sent counts any more. */
export async function isNoStranger(tx: WriteTransaction, username: string): Promise<void> {
  if ((await tx.get(`strange/${username}`)) !== undefined) await tx.put(letGoKey(username, ""), "");
}

export function letGoKey(from: string, seq: string): string {
  return `${LET_GO}${from}/${seq}`;
}
