import type { DatabaseSync } from "node:sqlite";
import type { Accounts } from "./accounts.ts";
import type { EntryRow, Mail } from "./mail.ts";
import type { Requests } from "./requests.ts";
import type { KeyPackages } from "./key-packages.ts";
import type { Entry, StoreLimits } from "./store.ts";

/** Entries in one transaction: a long one would hold up everybody's messages. */
const BATCH = 500;

/** Turns what will never be delivered into notices for its senders, and forgets what is too old. */
export function sweeper(
  db: DatabaseSync,
  tables: { accounts: Accounts; mail: Mail; requests: Requests; keyPackages: KeyPackages },
  limits: StoreLimits,
  clock: () => number,
) {
  const { accounts, mail, requests, keyPackages } = tables;
  const expired = db.prepare(
    "SELECT * FROM entries WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?",
  );
  const closed = db.prepare(
    "SELECT mailbox, closed FROM mailboxes WHERE closed IS NOT NULL AND drained IS NULL LIMIT 1",
  );
  const ofMailbox = db.prepare("SELECT * FROM entries WHERE mailbox = ? ORDER BY seq LIMIT ?");
  const drained = db.prepare("UPDATE mailboxes SET drained = 1 WHERE mailbox = ?");
  const removeMailbox = db.prepare("DELETE FROM mailboxes WHERE mailbox = ?");
  const oldest = db.prepare("SELECT * FROM entries WHERE seq > ? AND stored_at < ? ORDER BY seq LIMIT ?");
  const oldestTime = db.prepare("SELECT stored_at FROM entries ORDER BY seq LIMIT 1");
  const followed = db.prepare(
    "SELECT 1 FROM entries WHERE mailbox = ? AND group_id = ? AND seq > ? AND kind = 'application' LIMIT 1",
  );

  function drop(row: EntryRow, status: NonNullable<Entry["status"]>, reason: string): void {
    mail.remove(row);
    const sender = accounts.find(row.sender);
    if (row.kind !== "application" || sender?.kind !== "key") return;
    if (!mail.hasRoom(sender.mailbox, "notice", row.sender, [""])) return;
    const recipient = accounts.find(accounts.owner(row.mailbox)?.name ?? "");
    mail.add({
      mailbox: sender.mailbox,
      sender: row.sender,
      from: recipient?.username ?? accounts.owner(row.mailbox)?.name ?? "",
      device: undefined,
      kind: "notice",
      message: "",
      sessionId: undefined,
      groupId: row.group_id ?? undefined,
      epoch: undefined,
      messageId: row.message_id,
      expiresAt: undefined,
      status,
      reason,
    });
  }

  function sweepExpired(): number {
    const rows = expired.all(clock(), BATCH) as unknown as EntryRow[];
    for (const row of rows) drop(row, "expired", "expired");
    return rows.length;
  }

  function sweepClosed(): number {
    const mailbox = closed.get() as { mailbox: number; closed: string } | undefined;
    if (mailbox === undefined) return 0;
    const rows = ofMailbox.all(mailbox.mailbox, BATCH) as unknown as EntryRow[];
    for (const row of rows) drop(row, "dropped", mailbox.closed);
    if (rows.length < BATCH) {
      // A replaced device stays known, so that it can be told.
      if (mailbox.closed === "unregistered") removeMailbox.run(mailbox.mailbox);
      else drained.run(mailbox.mailbox);
    }
    return Math.max(rows.length, 1);
  }

  let after = 0;
  function sweepOld(): number {
    const cutoff = clock() - limits.mailboxAge;
    // Entries are in the order of time: if the oldest is young enough, so are all.
    const first = oldestTime.get() as { stored_at: number } | undefined;
    if (first === undefined || first.stored_at >= cutoff) return 0;
    const rows = oldest.all(after, cutoff, BATCH) as unknown as EntryRow[];
    after = rows.length < BATCH ? 0 : (rows.at(-1)?.seq ?? 0);
    let dropped = 0;
    for (const row of rows) {
      const handshake = row.kind === "welcome" || row.kind === "commit";
      // What opens or moves a group outlives the messages that need it.
      if (handshake && followed.get(row.mailbox, row.group_id, row.seq) !== undefined) continue;
      drop(row, "expired", "mailbox_age");
      dropped += 1;
    }
    return dropped;
  }

  return (): { expired: number; more: boolean } => {
    const expiredNow = sweepExpired() + sweepOld();
    const closedNow = sweepClosed();
    const forgotten = requests.sweep(BATCH);
    keyPackages.sweep();
    return { expired: expiredNow, more: expiredNow >= BATCH || closedNow > 0 || forgotten >= BATCH };
  };
}
