import type { WriteTransaction } from "../store/store.ts";
import { rowsUnder } from "./records.ts";

/** `team-taken/<key>`: the owner has taken an invitation, and what was kept goes into the inbox. */
export const TAKEN = "team-taken/";

/** `team-held/<key>/<seq>`: a message that came before; as it was inside the encryption it is `team-held-body/<key>/<seq>`. */
export interface TeamHeldRecord {
  from: string;
  /** As its sender spells it. */
  from_name: string;
  /** The identity that has sent it. */
  identity_key: string;
  offline: boolean;
  bytes: number;
}

/** It was taken, or refused, or is not there any more. */
export async function forgetHeld(tx: WriteTransaction, key: string): Promise<void> {
  for (const prefix of [`team-held/${key}/`, `team-held-body/${key}/`])
    for await (const [at] of rowsUnder(tx, prefix)) await tx.delete(at);
  await tx.delete(TAKEN + key);
}
