import type { DatabaseSync } from "node:sqlite";
import { dayOf } from "./days.ts";
import { amountOf, roomObjection, sizeOf } from "./decisions/room.ts";
import { lapse, lapsingOf } from "./decisions/team.ts";
import type { EntryRow } from "./mail.ts";
import type { Entry } from "./store.ts";
import { stubOf } from "./stub.ts";
import type { Tables } from "./tables.ts";

/** Entries in one transaction: a long one would hold up everybody's messages. */
const BATCH = 500;

/** Of what has expired in teams so much is read in one: the messages, for their digests. */
const MOST_READ = 4 * 2 ** 20;

/** Digests of messages, by their bodies, and how much was read for them. */
interface Read {
  digests: Map<number, string>;
  bytes: number;
}

/** All of an entry but its message, which may be long. */
type SweptRow = Pick<
  EntryRow,
  | "seq"
  | "mailbox"
  | "sender"
  | "kind"
  | "bytes"
  | "group_id"
  | "epoch"
  | "message_id"
  | "stored_at"
  | "stranger"
  | "address"
  | "body"
  | "from_name"
  | "device"
  | "pos"
>;
const COLUMNS =
  "seq, mailbox, sender, from_name, device, kind, bytes, group_id, epoch, message_id, stored_at, stranger, address, pos, body";

/** Turns what will never be delivered into notices for its senders, and forgets what is too old. */
export function sweeper(db: DatabaseSync, tables: Tables, clock: () => number) {
  const { accounts, mail, requests, keyPackages, groups, invites, limits } = tables;
  const expired = db.prepare(
    `SELECT ${COLUMNS} FROM entries WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
  );
  const nextExpiry = db.prepare("SELECT MIN(expires_at) AS next FROM entries WHERE expires_at IS NOT NULL");
  const closed = db.prepare(
    "SELECT mailbox, name, closed FROM mailboxes WHERE closed IS NOT NULL AND drained IS NULL LIMIT 1",
  );
  const ofMailbox = db.prepare(`SELECT ${COLUMNS} FROM entries WHERE mailbox = ? ORDER BY seq LIMIT ?`);
  const drained = db.prepare("UPDATE mailboxes SET drained = 1 WHERE mailbox = ?");
  const oldest = db.prepare(`SELECT ${COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT ?`);
  const bodyText = db.prepare("SELECT text FROM bodies WHERE body = ?");
  const followed = db.prepare(
    "SELECT 1 FROM entries WHERE mailbox = ? AND group_id = ? AND seq > ? AND kind = 'application' LIMIT 1",
  );

  let unnoticed = 0;
  function drop(row: SweptRow, status: NonNullable<Entry["status"]>, reason: string): void {
    mail.remove(row);
    if (accounts.isUnknown(row.mailbox) && mail.isEmpty(row.mailbox)) accounts.forgetMailbox(row.mailbox);
    if (row.pos !== null && status === "expired") noticeOnce(row, reason);
    else notice(row, status, reason, ownerOf(row));
  }

  /** Of a message to a team that is too old for all at once its sender hears once, and not of each that it was for. [P-6.9] */
  function noticeOnce(row: SweptRow, reason: string): void {
    if (mail.isFirst(row.body ?? 0)) notice(row, "expired", reason, "");
  }

  function ownerOf({ mailbox }: SweptRow): string {
    const name = accounts.owner(mailbox)?.name ?? "";
    return accounts.find(name)?.username ?? name;
  }

  /** Tells the sender of a message what became of it. */
  function notice(row: SweptRow, status: NonNullable<Entry["status"]>, reason: string, from: string): void {
    const sender = accounts.find(row.from_name);
    if (row.kind !== "application" || sender?.kind !== "key") return;
    // Its name may be somebody else's by now.
    if (accounts.device(sender.name, row.device ?? "") === undefined) return;
    // Of what it has sent itself.
    const payer = { sender: sender.name, address: sender.address, stranger: false };
    if (roomObjection(tables, { mailbox: sender.mailbox, kind: "notice" }, payer, amountOf([""])) !== undefined) {
      unnoticed += 1;
      return;
    }
    mail.add({
      ...payer,
      mailbox: sender.mailbox,
      from,
      device: undefined,
      kind: "notice",
      message: "",
      sessionId: undefined,
      groupId: row.group_id ?? undefined,
      epoch: undefined,
      messageId: row.message_id,
      expiresAt: undefined,
      storedAt: clock(),
      bytes: sizeOf("", undefined),
      status,
      reason,
    });
  }

  function sweepExpired(): number {
    const rows = expired.all(clock(), BATCH) as unknown as SweptRow[];
    const read: Read = { digests: new Map(), bytes: 0 };
    for (const row of rows) {
      // What is left is more for the next time.
      if (read.bytes > MOST_READ) return BATCH;
      if (row.pos === null) drop(row, "expired", "expired");
      else {
        mail.toStub(row, digestOf(row, read));
        noticeOnce(row, "expired");
      }
    }
    return rows.length;
  }

  /** SHA-256 of a message to a team, in base64. */
  function digestOf({ body }: SweptRow, read: Read): string {
    const found = read.digests.get(body ?? 0);
    if (found !== undefined) return found;
    const { text } = bodyText.get(body) as { text: string };
    const digest = stubOf(text);
    read.bytes += text.length;
    read.digests.set(body ?? 0, digest);
    return digest;
  }

  /** Whoever has lost something of a team by its age can follow it no more, unless it was added anew since. */
  function lapseBy({ group_id, epoch, mailbox, message_id: messageId, kind }: SweptRow): void {
    const member = group_id === null || kind === "notice" ? undefined : groups.member(group_id, mailbox);
    if (group_id === null || member === undefined || member.lapsed) return;
    if ((epoch ?? 0) < member.joined) return;
    lapse(tables, group_id, { members: lapsingOf(tables, [member]), messageId, now: clock() });
  }

  function sweepClosed(): number {
    const mailbox = closed.get() as { mailbox: number; name: string; closed: string } | undefined;
    if (mailbox === undefined) return 0;
    const rows = ofMailbox.all(mailbox.mailbox, BATCH) as unknown as SweptRow[];
    for (const row of rows) drop(row, "dropped", mailbox.closed);
    if (rows.length < BATCH) sweepDevices(mailbox);
    return Math.max(rows.length, 1);
  }

  /** Nothing waits in a closed mailbox any more. A device goes when all of its groups have: if there are more, with the next sweep. */
  function sweepDevices({ mailbox, name, closed: why }: { mailbox: number; name: string; closed: string }): void {
    // A replaced device stays known, so that it can be told.
    requests.removeLast(mailbox);
    // Of those that were replaced this one stays, and the newest of the others.
    const gone = why === "unregistered" ? [mailbox] : accounts.surplusDevices(name, limits.devices - 1);
    for (const device of gone) {
      if (groups.removeMember(device, BATCH) === BATCH) return;
      accounts.forgetMailbox(device);
    }
    if (why !== "unregistered") drained.run(mailbox);
  }

  /** Whose accounts are looked at next. */
  let behind = "";
  function sweepUnused(): number {
    const cutoff = dayOf(clock() - limits.unusedAccountAge);
    const page = accounts.after(behind, BATCH);
    behind = page.length < BATCH ? "" : (page.at(-1)?.name ?? "");
    const unused = page.filter(({ seen, used }) => !used && seen < cutoff);
    for (const { mailbox } of unused) tables.removeAccount(mailbox, true);
    return unused.length;
  }

  let after = 0;
  function sweepOld(): number {
    const cutoff = clock() - limits.mailboxAge;
    const rows = oldest.all(after, BATCH) as unknown as SweptRow[];
    // Entries are in the order of time: behind the first that is young enough there is none that is too old.
    const young = rows.findIndex((row) => row.stored_at >= cutoff);
    const old = young < 0 ? rows : rows.slice(0, young);
    after = old.length < BATCH ? 0 : (old.at(-1)?.seq ?? 0);
    let dropped = 0;
    for (const row of old) {
      const handshake = row.kind === "welcome" || row.kind === "commit";
      lapseBy(row);
      // What opens or moves a group of two outlives the messages that need it.
      if (handshake && row.body === null && followed.get(row.mailbox, row.group_id, row.seq) !== undefined) continue;
      drop(row, "expired", "mailbox_age");
      dropped += 1;
    }
    return dropped;
  }

  return (): { expired: number; unnoticed: number; more: boolean; next: number } => {
    unnoticed = 0;
    const expiredNow = sweepExpired() + sweepOld();
    const closedNow = sweepClosed();
    const forgotten = requests.sweep(BATCH);
    const groupsNow = groups.sweep(BATCH);
    const unusedNow = sweepUnused();
    keyPackages.sweep();
    invites.sweep();
    return {
      expired: expiredNow,
      unnoticed,
      next: (nextExpiry.get() as { next: number | null }).next ?? Infinity,
      more:
        expiredNow >= BATCH || after > 0 || closedNow > 0 || forgotten >= BATCH || groupsNow >= BATCH || unusedNow > 0,
    };
  };
}
