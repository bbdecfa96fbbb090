/** Turns what will never be delivered into notices for its senders, and forgets what is too old. [P-5.7] [P-5.8] */
import { dayOf } from "../days.ts";
import type { Entry } from "../store.ts";
import { stubOf } from "../stub.ts";
import { removeAccount } from "./remove.ts";
import { amountOf, roomObjection } from "./room.ts";
import type { ClosedMailbox, Swept, Tables } from "./tables.ts";
import { addNotice, lapse, lapsingOf } from "./team.ts";
import { each } from "./work.ts";

/** Entries in one transaction: a long one would hold up everybody's messages. */
const BATCH = 500;

/** Of what has expired in teams so much is read in one: the messages, for their digests. */
const MOST_READ = 4 * 2 ** 20;

/** How far sweeps have come that take several transactions. */
export interface SweepPlace {
  /** In the order of what is old. */
  old: number;
  /** Behind which account. */
  account: string;
}

export const SWEEP_START: SweepPlace = { old: 0, account: "" };

interface SweepDone {
  place: SweepPlace;
  expired: number;
  /** Of those that their senders were not told of: their mailboxes had no room. */
  unnoticed: number;
  /** There is more to do. */
  more: boolean;
  /** When a message expires next: Unix ms; Infinity: none does. */
  next: number;
}

export function sweep(tables: Tables, from: SweepPlace, now: number): SweepDone {
  const { mail, requests, groups, keyPackages, invites } = tables;
  const notices = new Notices(tables, now);
  const due = sweepExpired(tables, notices);
  const old = sweepOld(tables, notices, from.old);
  const expired = due + old.expired;
  const closed = sweepClosed(tables, notices);
  const forgotten = requests.sweep(BATCH);
  const ofGroups = groups.sweep(BATCH);
  const unused = sweepUnused(tables, from.account, now);
  keyPackages.sweep();
  invites.sweep();
  return {
    place: { old: old.next, account: unused.next },
    expired,
    unnoticed: notices.unnoticed,
    more:
      expired >= BATCH || old.next > 0 || closed > 0 || forgotten >= BATCH || ofGroups >= BATCH || unused.removed > 0,
    next: mail.nextExpiry(),
  };
}

/** What senders are told of their messages. */
class Notices {
  readonly now: number;
  unnoticed = 0;
  readonly #tables: Tables;

  constructor(tables: Tables, now: number) {
    this.#tables = tables;
    this.now = now;
  }

  /** Removes an entry, and tells its sender. */
  drop(entry: Swept, status: NonNullable<Entry["status"]>, reason: string): void {
    const { accounts, mail } = this.#tables;
    mail.remove(entry);
    if (accounts.isUnknown(entry.mailbox) && mail.isEmpty(entry.mailbox)) accounts.forgetMailbox(entry.mailbox);
    if (entry.pos !== undefined && status === "expired") this.once(entry, reason);
    else this.#add(entry, { status, reason, from: this.#ownerOf(entry) });
  }

  /** Of a message to a team that is too old for all at once its sender hears once, and not of each that it was for. [P-6.9] */
  once(entry: Swept, reason: string): void {
    if (this.#tables.mail.isFirst(entry.body ?? 0)) this.#add(entry, { status: "expired", reason, from: "" });
  }

  #ownerOf({ mailbox }: Swept): string {
    const { accounts } = this.#tables;
    const name = accounts.owner(mailbox)?.name ?? "";
    return accounts.find(name)?.username ?? name;
  }

  #add(
    { from, device, kind, groupId, messageId }: Swept,
    notice: { status: NonNullable<Entry["status"]>; reason: string; from: string },
  ): void {
    const { accounts } = this.#tables;
    const sender = accounts.find(from);
    if (kind !== "application" || sender?.kind !== "key") return;
    // Its name may be somebody else's by now.
    if (accounts.device(sender.name, device ?? "") === undefined) return;
    const { name, mailbox, address } = sender;
    // Of what it has sent itself.
    const payer = { sender: name, address, stranger: false };
    if (roomObjection(this.#tables, { mailbox, kind: "notice" }, payer, amountOf([""])) !== undefined) {
      this.unnoticed += 1;
      return;
    }
    addNotice(this.#tables, { ...payer, ...notice, mailbox, groupId, messageId, storedAt: this.now });
  }
}

function sweepExpired({ mail }: Tables, notices: Notices): number {
  const entries = mail.expired(notices.now, BATCH);
  const digests = new Map<number, string>();
  let read = 0;
  let isMore = false;
  each(entries, (entry) => {
    // What is left is more for the next time.
    isMore ||= read > MOST_READ;
    if (isMore) return;
    if (entry.pos === undefined) {
      notices.drop(entry, "expired", "expired");
      return;
    }
    const { body = 0 } = entry;
    let digest = digests.get(body);
    if (digest === undefined) {
      const text = mail.bodyText(body);
      digests.set(body, (digest = stubOf(text)));
      read += text.length;
    }
    mail.toStub(entry, digest);
    notices.once(entry, "expired");
  });
  return isMore ? BATCH : entries.length;
}

function sweepOld(tables: Tables, notices: Notices, after: number): { expired: number; next: number } {
  const { mail, limits } = tables;
  const { old, next } = mail.storedBefore(notices.now - limits.mailboxAge, after, BATCH);
  let expired = 0;
  each(old, (entry) => {
    const isHandshake = entry.kind === "welcome" || entry.kind === "commit";
    lapseBy(tables, entry, notices.now);
    // What opens or moves a group of two outlives the messages that need it.
    if (isHandshake && entry.body === undefined && mail.isFollowed(entry)) return;
    notices.drop(entry, "expired", "mailbox_age");
    expired += 1;
  });
  return { expired, next };
}

/** Whoever has lost something of a team by its age can follow it no more, unless it was added anew since. */
function lapseBy(tables: Tables, { groupId, epoch = 0, mailbox, messageId, kind }: Swept, now: number): void {
  const member = groupId === undefined || kind === "notice" ? undefined : tables.groups.member(groupId, mailbox);
  if (groupId === undefined || member === undefined || member.lapsed || epoch < member.joined) return;
  lapse(tables, groupId, { members: lapsingOf(tables, [member]), messageId, now });
}

function sweepClosed(tables: Tables, notices: Notices): number {
  const closed = tables.accounts.nextClosed();
  if (closed === undefined) return 0;
  const entries = tables.mail.inMailbox(closed.mailbox, BATCH);
  each(entries, (entry) => notices.drop(entry, "dropped", closed.closed));
  if (entries.length < BATCH) sweepDevices(tables, closed);
  return Math.max(entries.length, 1);
}

/** Nothing waits in a closed mailbox any more. A device goes when all of its groups have: if there are more, with the next sweep. */
function sweepDevices({ accounts, groups, requests, limits }: Tables, { mailbox, name, closed }: ClosedMailbox): void {
  // A replaced device stays known, so that it can be told.
  requests.removeLast(mailbox);
  // Of those that were replaced this one stays, and the newest of the others.
  const gone = closed === "unregistered" ? [mailbox] : accounts.surplusDevices(name, limits.devices - 1);
  for (const device of gone) {
    if (groups.removeMember(device, BATCH) === BATCH) return;
    accounts.forgetMailbox(device);
  }
  if (closed !== "unregistered") accounts.setDrained(mailbox);
}

function sweepUnused(tables: Tables, after: string, now: number): { removed: number; next: string } {
  const cutoff = dayOf(now - tables.limits.unusedAccountAge);
  const page = tables.accounts.after(after, BATCH);
  const unused = page.filter(({ seen, used }) => !used && seen < cutoff);
  each(unused, ({ mailbox }) => removeAccount(tables, mailbox, true));
  return { removed: unused.length, next: page.length < BATCH ? "" : (page.at(-1)?.name ?? "") };
}
