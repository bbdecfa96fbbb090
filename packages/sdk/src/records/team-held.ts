import type { WriteTransaction } from "../store/store.ts";
import { rowsUnder } from "./records.ts";

/** `team-taken/<key>`: the owner has taken an invitation, and what was kept goes into the inbox. */
export const TAKEN = "team-taken/";

/** It was taken, or refused, or is not there any more. */
export async function forgetHeld(tx: WriteTransaction, key: string): Promise<void> {
  for (const prefix of [`team-held/${key}/`, `team-held-body/${key}/`])
    for await (const [at] of rowsUnder(tx, prefix)) await tx.delete(at);
  await tx.delete(TAKEN + key);
}
