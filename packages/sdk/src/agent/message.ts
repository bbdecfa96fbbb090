import { AgentError } from "../errors.ts";
import { fromUtf8 } from "../protocol/index.ts";
import type { ClientStore, ReadTransaction, Value } from "../store/store.ts";
import { type Tier, tierOfSender } from "../records/tier.ts";
import { standingOf } from "../trust/standing.ts";
import type { SendOptions } from "./enqueue.ts";
import { type FileInfo, filesIn, type IncomingFile } from "./file-info.ts";
import { find, pad, toBytes } from "../records/records.ts";
import { nameOfTeam } from "../records/team-names.ts";
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
  /** The team that it was sent to, by its name here; undefined if to this agent alone. */
  readonly group: string | undefined;
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
  /** A person has written it, by its sender's word: worth as much as `verified` and `trust` say of that one. */
  readonly human: boolean;
  /** It answers a question that nobody asks any more. */
  readonly late: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: number | undefined;
  /** Files that its sender has sent with it, as it describes them. */
  readonly files: readonly FileInfo[];
  /** How often it has been given to a listener that shares, this time included; 0 for one that does not. */
  readonly attempt: number;
  /** How often a handler of it has failed, and said so by {@link IncomingMessage.retry}. */
  readonly failures: number;
  /** How often it was only not the time for it, by {@link IncomingMessage.retry}: attempts that count for nothing. */
  readonly waits: number;
  /** How many answers have led to it that no person has written, by its sender's word: see {@link SendOptions.exchange}. */
  readonly exchange: number;
}

/** An entry of the inbox as `inbox` shows it. Its body is empty once it is deleted. */
export type InboxEntry = Message & {
  readonly state: InboxRecord["state"];
  readonly reason?: string;
  /** It expects a reply, and a program has sent one. */
  readonly replied?: true;
};

/** @param withBody False: its body is empty, and not read. */
export async function readMessage(
  tx: ReadTransaction,
  row: InboxRecord,
  to: string,
  withBody = true,
): Promise<Message> {
  const body = (withBody ? await tx.get(`in-body/${pad(row.seq)}`) : undefined) ?? "";
  return messageOf(row, body, { to, trust: await trustIn(tx, row), group: await groupOf(tx, row) });
}

/** The name of the team that a message was sent to. */
async function groupOf(tx: ReadTransaction, { team }: InboxRecord): Promise<string | undefined> {
  return team === undefined ? undefined : nameOfTeam(tx, team);
}

/** How far the owner trusts the identity that has sent a message. */
export async function trustIn(tx: ReadTransaction, { from, identity_key }: InboxRecord): Promise<Tier> {
  return tierOfSender(identity_key, await find(tx, "contact/", from), await standingOf(tx, from));
}

export function messageOf(
  row: InboxRecord,
  body: Value,
  { to, trust, group }: { to: string; trust: Tier; group?: string | undefined },
): Message {
  const bytes = toBytes(body);
  return {
    id: row.local_id,
    peerId: row.id,
    from: row.from_name,
    to,
    group,
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
    human: row.human === true,
    late: row.late === true,
    headers: row.headers ?? {},
    expiresAt: row.expires_at,
    files: filesIn(row),
    attempt: row.attempts ?? 0,
    failures: row.failures ?? 0,
    waits: row.waits ?? 0,
    // What the owner or a person's word has let in begins another exchange.
    exchange: row.let_in === true ? 0 : (row.exchange ?? 0),
  };
}

export async function readEntry(
  tx: ReadTransaction,
  row: InboxRecord,
  to: string,
  withBody = true,
): Promise<InboxEntry> {
  const { reason } = row;
  // By whichever clock its time was over, it has expired: to its sender it has failed for that.
  const state = row.state === "failed" && reason === "expired" ? "expired" : row.state;
  return {
    ...(await readMessage(tx, row, to, withBody)),
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(row.replied === true ? { replied: true } : {}),
  };
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

/** Deletes everything: the agent is gone. */
export async function erase(store: ClientStore): Promise<void> {
  await store.write(async (tx) => {
    for (const [key] of await tx.list({ prefix: "" })) await tx.delete(key);
  });
}

/** What is sent to the sender of a message. */
export interface Reply {
  body: string | Uint8Array;
  options?: ReplyOptions;
}

export interface ReplyOptions extends SendOptions {
  /** To its sender alone, though it was sent to a team. */
  privately?: boolean;
}

/** A received message with its handles. */
export interface IncomingMessage extends Message {
  /** Files that its sender has sent with it, to be fetched. */
  readonly files: readonly IncomingFile[];
  /** To its sender; of a team's message to the team, unless it is to be `privately`. */
  reply(body: string | Uint8Array, options?: ReplyOptions): Promise<Sent>;
  /**
   * Its handler succeeded; its sender hears of it. With a reply: both are one transaction, and it is sent once, however often
   * this is repeated.
   */
  handled(reply?: Reply): Promise<void>;
  /** The reply with which it was handled, by whomever; undefined if there is none. */
  answer(): Promise<Sent | undefined>;
  /** Its handler has given up: it is a dead letter, and its sender hears why. */
  failed(reason: string): Promise<void>;
  /**
   * Its handler has failed for now: whoever shares gets it again after `delay` milliseconds. `counts: false`: it was only not the time
   * for it, which is none of its {@link Message.failures}.
   */
  retry(reason: string, delay: number, options?: { counts?: boolean }): Promise<void>;
}
