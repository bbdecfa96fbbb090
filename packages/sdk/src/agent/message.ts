import { AgentError } from "../errors.ts";
import { fromUtf8 } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction, Value, WriteTransaction } from "../store/store.ts";
import { type Tier, tierOfSender } from "../records/tier.ts";
import { holders, refuseHeld } from "../trust/held.ts";
import { standingOf } from "../trust/standing.ts";
import type { SendOptions } from "./enqueue.ts";
import { mayBeLetGo } from "../records/let-go.ts";
import { owe } from "../records/owed.ts";
import { find, get, pad, put, toBytes } from "../records/records.ts";
import { Sent } from "./sent.ts";
import type { InboxRecord } from "../records/tables.ts";

/** A message that has arrived. It stays unhandled, and is shown again after a restart, until `handled` or `failed`. */
export interface Message {
  /** Ours, by which it is known here. */
  readonly id: string;
  /** Its sender's: unique among the messages of that one alone. */
  readonly peerId: string;
  readonly from: string;
  readonly to: string;
  /** The body as text. Not valid UTF-8: "" (see `bytes`). */
  readonly body: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** The sender's clock, Unix milliseconds. */
  readonly sentAt: number;
  /** Our clock, Unix milliseconds. */
  readonly receivedAt: number;
  /** It waited at the relay until we came. */
  readonly offline: boolean;
  /** The sender's fingerprint had been verified when it came. */
  readonly verified: boolean;
  /** How far the owner trusts the sender now. */
  readonly trust: Tier;
  readonly replyTo: string | undefined;
  readonly thread: string | undefined;
  /** Its sender waits for a reply. */
  readonly expectsReply: boolean;
  /** It answers a question that nobody asks any more. */
  readonly late: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: number | undefined;
  /** How often it has been given to a listener that shares, this time included; 0 for one that does not. */
  readonly attempt: number;
}

/** An entry of the inbox as `inbox` shows it. Its body is empty once it is deleted. */
export type InboxEntry = Message & { readonly state: InboxRecord["state"]; readonly reason?: string };

export async function readMessage(tx: ReadTransaction, row: InboxRecord, to: string): Promise<Message> {
  const body = (await tx.get(`in-body/${pad(row.seq)}`)) ?? "";
  return messageOf(row, body, { to, trust: await trustIn(tx, row) });
}

/** How far the owner trusts the identity that has sent a message. */
async function trustIn(tx: ReadTransaction, { from, identity_key }: InboxRecord): Promise<Tier> {
  return tierOfSender(identity_key, await find(tx, "contact/", from), await standingOf(tx, from));
}

export function messageOf(row: InboxRecord, body: Value, { to, trust }: { to: string; trust: Tier }): Message {
  const bytes = toBytes(body);
  return {
    id: row.local_id,
    peerId: row.id,
    from: row.from_name,
    to,
    body: fromUtf8(bytes) ?? "",
    bytes,
    contentType: row.content_type,
    sentAt: row.sent_at,
    receivedAt: row.received_at,
    offline: row.offline,
    verified: row.verified,
    trust,
    replyTo: row.reply_to,
    thread: row.thread,
    expectsReply: row.expects_reply === true,
    late: row.late === true,
    headers: row.headers ?? {},
    expiresAt: row.expires_at,
    attempt: row.attempts ?? 0,
  };
}

export async function readEntry(tx: ReadTransaction, row: InboxRecord, to: string): Promise<InboxEntry> {
  const { state, reason } = row;
  return { ...(await readMessage(tx, row, to)), state, ...(reason === undefined ? {} : { reason }) };
}

/** A message is handled, and more is done in the same transaction: all of it, or nothing. Repeating it does nothing. */
export async function settleWith(
  store: ClientStore,
  seq: number,
  more: (tx: WriteTransaction) => Promise<void>,
): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state !== "unhandled") return;
    await settleRow(tx, row, { state: "handled" });
    await more(tx);
  });
}

/** Settles a message: its sender hears of it by the next receipt. Repeating it does nothing. */
export async function settleMessage(store: ClientStore, seq: number, failure?: string): Promise<void> {
  const outcome: Outcome = failure === undefined ? { state: "handled" } : { state: "failed", reason: failure };
  await settleAs(store, seq, outcome);
}

/** The row of a message by our id. @throws AgentError unknown_message */
export async function rowByLocalId(tx: ReadTransaction, id: string): Promise<InboxRecord> {
  const seq = await tx.get(`in-id/${id}`);
  const row = seq === undefined ? undefined : await find(tx, "in/", pad(Number(seq)));
  if (row !== undefined) return row;
  throw new AgentError("unknown_message", `no message ${id} is in the inbox`, {
    hint: "aimessage inbox shows the ids",
  });
}

/** The end of a message here. */
interface Outcome {
  state: "handled" | "failed" | "expired";
  reason?: string;
  /** It came too late: it interests nobody any more, and is no dead letter. */
  late?: true;
}

async function settleAs(store: ClientStore, seq: number, outcome: Outcome): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state === "unhandled") await settleRow(tx, row, outcome);
  });
}

/** What keeps a message from being given out for `delay` milliseconds. */
export function notBefore(delay: number): Required<Pick<InboxRecord, "retry_at" | "retry_after">> {
  return { retry_at: Date.now() + delay, retry_after: delay };
}

/** Its handler has failed for now: it is given out again after `delay` milliseconds. */
export async function retryMessage(store: ClientStore, seq: number, reason: string, delay: number): Promise<void> {
  await store.write(async (tx) => {
    const row = await get(tx, "in/", pad(seq));
    if (row?.state !== "unhandled") return;
    const { claim: _claim, ...rest } = row;
    await put(tx, "in/", pad(seq), { ...rest, reason: reason.slice(0, 1000), ...notBefore(delay) });
  });
}

/** Settles everything that is not handled. */
export async function failAllWaiting(store: ClientStore, reason: string): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "unhandled/" })) {
      const row = await get(tx, "in/", key.slice("unhandled/".length));
      if (row?.state === "unhandled") await settleRow(tx, row, { state: "failed", reason });
    }
    for (const why of ["consent", "guard"] as const)
      for (const { username } of await holders(tx, why)) await refuseHeld(tx, why, username, reason);
  });
}

export async function settleRow(
  tx: WriteTransaction,
  row: InboxRecord,
  { state, reason, late }: Outcome,
): Promise<void> {
  const { claim: _claim, retry_at: _at, retry_after: _after, reason: _reason, answers, ...rest } = row;
  // However it ended: nobody needs to ask for it any more.
  if (answers !== undefined) await takeReply(tx, answers);
  if (state === "failed" && late !== true) await tx.put(`dead/${pad(row.seq)}`, "");
  const settled = { ...rest, state, settled_at: Date.now(), ...(reason === undefined ? {} : { reason }) };
  await put(tx, "in/", pad(row.seq), settled);
  await tx.delete(`unhandled/${pad(row.seq)}`);
  await mayBeLetGo(tx, settled);
  await owe(tx, settled);
}

/** The reply to a question has its reader. */
export async function takeReply(tx: WriteTransaction, question: string): Promise<void> {
  const record = await get(tx, "question/", question);
  if (record !== undefined) await put(tx, "question/", question, { ...record, state: "taken" });
}

/**
 * Settles what came too late: by the relay's clock, or by its sender's and ours. The latter is not asked where ours has
 * jumped.
 * @returns whether it did
 */
export async function endIfLate(store: ClientStore, row: InboxRecord, hasJumped: () => boolean): Promise<boolean> {
  const outcome = row.state === "unhandled" ? lateness(row, hasJumped) : undefined;
  if (outcome !== undefined) await settleAs(store, row.seq, outcome);
  return outcome !== undefined;
}

/** What a message comes to whose time is over; undefined if it is not. */
export function lateness(row: InboxRecord, hasJumped: () => boolean): Outcome | undefined {
  const now = Date.now();
  if ((row.expires_at ?? Infinity) <= now) return { state: "failed", reason: "expired", late: true };
  if ((row.late_at ?? Infinity) <= now && !hasJumped()) return { state: "expired", reason: "clock", late: true };
  return undefined;
}

/** Deletes everything: the agent is gone. */
export async function erase(store: ClientStore): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "" })) await tx.delete(key);
  });
}

/** What is sent to the sender of a message. */
export interface Reply {
  body: string | Uint8Array;
  options?: SendOptions;
}

/** A received message with its handles. */
export interface IncomingMessage extends Message {
  reply(body: string | Uint8Array, options?: SendOptions): Promise<Sent>;
  /**
   * Its handler succeeded; its sender hears of it. With a reply: both are one transaction, and it is sent once, however often
   * this is repeated.
   */
  handled(reply?: Reply): Promise<void>;
  /** The reply with which it was handled, by whomever; undefined if there is none. */
  answer(): Promise<Sent | undefined>;
  /** Its handler has given up: it is a dead letter, and its sender hears why. */
  failed(reason: string): Promise<void>;
  /** Its handler has failed for now: whoever shares gets it again after `delay` milliseconds. */
  retry(reason: string, delay: number): Promise<void>;
}
