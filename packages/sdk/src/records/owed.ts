/** What is owed to contacts: said by the next receipts. */
import type { WriteTransaction } from "../store/store.ts";
import { directAddress } from "./addresses.ts";
import { fileKey } from "./files.ts";
import { find, pad } from "./records.ts";
import type { FetchedRecord, InboxRecord, OutcomeRecord, OwedKind } from "./tables.ts";

/** The key of something that is owed to a contact; without `what`, the prefix of all of its kind; without `kind`, of all. */
export function owed(username: string, kind?: OwedKind, what = ""): string {
  return kind === undefined ? `owed/${username}/` : `owed/${username}/${kind}/${what}`;
}

/** The next receipt tells the sender of a message what became of it. */
export function owe(tx: WriteTransaction, row: Owed): Promise<void> {
  const { from, team, seq, id, identity_key, state, reason = "failed" } = row;
  const failed = { failed: reason.slice(0, 1000), ...(state === "expired" ? { expired: true as const } : {}) };
  const whose = identity_key === undefined ? {} : { identity_key };
  const outcome: OutcomeRecord = { id, ...whose, ...(state === "handled" ? {} : failed) };
  return tx.put(owed(senderOf({ from, team }), "done", pad(seq)), JSON.stringify(outcome));
}

/** The same, and what became of the files of the message: to whom that was said before, and may have got lost. */
export async function oweAll(tx: WriteTransaction, row: InboxRecord): Promise<void> {
  for (const index of row.files?.keys() ?? []) {
    const file = await find(tx, "in-file/", fileKey({ seq: row.seq, index }));
    if (file?.path !== undefined) await oweFile(tx, row, { index });
  }
  if (row.state !== "unhandled") await owe(tx, row);
}

/** Who hears of it: its sender, of a message to a team as a member of that. */
function senderOf({ from, team }: { from: string; team: string | undefined }): string {
  return team === undefined ? from : directAddress(team, from);
}

type Owed = Pick<InboxRecord, "from" | "team" | "seq" | "id" | "identity_key" | "state" | "reason">;

/** The next receipt tells the sender of a message that a file of it is here, or why it cannot be had. */
export function oweFile(
  tx: WriteTransaction,
  { from, team, seq, id, identity_key }: Omit<Owed, "state" | "reason">,
  { index, reason }: { index: number; reason?: string },
): Promise<void> {
  const whose = identity_key === undefined ? {} : { identity_key };
  const record: FetchedRecord = { id, file: index, ...whose, ...(reason === undefined ? {} : { reason }) };
  return tx.put(owed(senderOf({ from, team }), "file", `${pad(seq)}/${index}`), JSON.stringify(record));
}
