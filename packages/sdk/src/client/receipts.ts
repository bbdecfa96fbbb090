import * as z from "zod/mini";
import { frameId } from "../crypto/content.ts";
import { fromUtf8, randomId, utf8 } from "../protocol/index.ts";
import { nameReplaced } from "./contacts.ts";
import { deleteRow, requeue, rowByCounter, rowById, sentIn, settle, unlink } from "./outbox-rows.ts";
import {
  get,
  type GroupRecord,
  isEmptyReceipt,
  nextSeq,
  type OutboxRecord,
  pad,
  put,
  type ReceiptRecord,
  toBytes,
} from "./records.ts";
import type { ClientStore } from "../store/store.ts";
import type { Conversation, Turn } from "./turn.ts";

/** Sendings of one message, at most, that the other side could not read. */
const RESENDS = 3;
/** Receipts at the end of a conversation that may not have been read. */
const TAIL_RECEIPTS = 32;
/** Ids and counters in one receipt, at most; the rest travels in the next. */
const PER_RECEIPT = 500;

/** Groups that a receipt may name: a few are kept for a contact, and closed ones are named once more. */
const GROUPS = 100;

const Ids = z.array(z.string().check(z.maxLength(64))).check(z.maxLength(PER_RECEIPT));
const Counter = z.int().check(z.positive());

/** The body of a receipt. Cumulative `received`; everything else by id. */
const Receipt = z.object({
  /** For a group: everything up to this counter was read and is on disk, but for `missing`. */
  received: z._default(
    z
      .record(z.string().check(z.maxLength(64)), Counter)
      .check(z.refine((groups) => Object.keys(groups).length <= GROUPS)),
    {},
  ),
  handled: z._default(Ids, []),
  failed: z._default(
    z
      .array(
        z.object({
          id: z.string(),
          reason: z.string().check(z.maxLength(1024)),
          /** It came too late. */
          expired: z.exactOptional(z.literal(true)),
        }),
      )
      .check(z.maxLength(PER_RECEIPT)),
    [],
  ),
  /** Never arrived readably: send them again under the same id. */
  missing: z._default(z.array(z.object({ group: z.string(), counter: Counter })).check(z.maxLength(PER_RECEIPT)), []),
  undecryptable: z._default(Ids, []),
});

/** Puts the receipts to these contacts into the outbox. */
export async function flushReceipts(turn: Turn, names: string[]): Promise<void> {
  for (const username of names) {
    const record = await turn.receipt(username);
    const body: ReceiptRecord = {
      received: record.received,
      handled: record.handled.splice(0, PER_RECEIPT),
      failed: record.failed.splice(0, PER_RECEIPT),
      missing: record.missing.splice(0, PER_RECEIPT),
      undecryptable: record.undecryptable.splice(0, PER_RECEIPT),
    };
    record.received = {};
    await addGaps(turn, username, body);
    if (!isEmptyReceipt(body)) await enqueueReceipt(turn, username, body);
  }
}

/**
 * Names every counter that was not read in the groups that the receipt is about: the one that asked for it may be lost,
 * and without it this one would say that it was received. Who has sent it again already is not asked twice.
 */
async function addGaps(turn: Turn, username: string, body: ReceiptRecord): Promise<void> {
  for (const group of Object.keys(body.received)) {
    const gaps = (await turn.conversation(group))?.record.gaps ?? (await get(turn.tx, "group/", group))?.gaps ?? [];
    const asked = new Set(body.missing.filter((one) => one.group === group).map(({ counter }) => counter));
    const others = gaps.filter((counter) => !asked.has(counter));
    if (body.missing.length + others.length <= PER_RECEIPT)
      body.missing.push(...others.map((counter) => ({ group, counter })));
    else {
      const next = await turn.receipt(username);
      next.received[group] = Math.max(next.received[group] ?? 0, body.received[group] ?? 0);
      delete body.received[group];
    }
  }
}

/** True when the relay has all that was to be said of what has been received; undefined until then. */
export function receiptsAreOut(store: ClientStore): Promise<true | undefined> {
  return store.read(async (tx) => {
    if ((await tx.list({ prefix: "receipt/", limit: 1 })).length > 0) return undefined;
    for (const [key] of await tx.list({ prefix: "queue/" })) {
      const row = await get(tx, "out/", key.slice(key.lastIndexOf("/") + 1));
      if (row?.kind === "receipt") return undefined;
    }
    return true;
  });
}

async function enqueueReceipt(turn: Turn, to: string, body: ReceiptRecord): Promise<void> {
  const seq = await nextSeq(turn.tx, "out");
  const row: OutboxRecord = {
    seq,
    id: randomId(),
    kind: "receipt",
    to,
    content_type: "application/json",
    created_at: turn.now,
    updated_at: turn.now,
    state: "queued",
    attempt: 0,
  };
  await enqueue(turn, row, utf8(JSON.stringify(body)));
}

async function enqueue(turn: Turn, row: OutboxRecord, body: Uint8Array): Promise<void> {
  await put(turn.tx, "out/", pad(row.seq), row);
  await turn.tx.put(`out-body/${pad(row.seq)}`, body);
  await turn.tx.put(`out-id/${row.id}`, String(row.seq));
  await turn.tx.put(`queue/${row.to}/${pad(row.seq)}`, "");
}

/**
 * Applies a receipt that came in `conversation`. It counts only for messages that were sent to its contact. Malformed ones
 * do nothing.
 */
export async function applyReceipt(turn: Turn, conversation: Conversation, body: Uint8Array): Promise<void> {
  const receipt = parse(body);
  if (receipt === undefined) return;
  const from = conversation.record.contact;
  for (const { group, counter } of receipt.missing) {
    const row = await rowByCounter(turn, group, counter);
    if (row !== undefined) await sendAgain(turn, from, row);
  }
  for (const id of receipt.undecryptable) {
    const row = await rowById(turn.tx, id);
    if (row === undefined || !(await isTo(turn, row, from)) || id !== frameId(row.id, row.attempt)) continue;
    // The other side may not have that group, or be in an epoch that it cannot leave: it never joined, has closed it, or
    // was not given a commit. What is not readable twice is sent in another one.
    if (row.group !== undefined && (row.group !== conversation.record.id || row.attempt > 0))
      await replace(turn, from, row.group);
    await sendAgain(turn, from, row);
  }
  for (const [group, counter] of Object.entries(receipt.received)) await receivedUpTo(turn, from, group, counter);
  for (const id of receipt.handled) {
    const row = await rowById(turn.tx, id);
    if (row !== undefined && (await isTo(turn, row, from)) && !isFinalByReceipt(row))
      await settle(turn, row, "handled");
  }
  for (const { id, reason, expired } of receipt.failed) {
    const row = await rowById(turn.tx, id);
    if (row !== undefined && (await isTo(turn, row, from)) && !isFinalByReceipt(row))
      await settle(turn, row, expired === true ? "expired" : "failed", reason);
  }
}

/** Leaves a group, and has the other side leave it: the next one names it as replaced. */
async function replace(turn: Turn, contact: string, group: string): Promise<void> {
  if ((await turn.conversation(group))?.record.state !== "open") return;
  await leave(turn, contact, group);
  await nameReplaced(turn.tx, contact, group);
}

/** Nothing is sent in this group again; it is still read. */
export async function leave(turn: Turn, contact: string, group: string): Promise<void> {
  const old = await turn.conversation(group);
  if (old === undefined || old.record.contact !== contact || old.record.state === "replaced") return;
  old.record.state = "replaced";
  old.dirty = true;
  await sendUnreadAgain(turn, old.record);
}

/**
 * Nothing follows in this group by whose counter the other side could notice what it has not read at its end. What it
 * has read already, it drops as a repeat.
 */
export async function sendUnreadAgain(
  turn: Turn,
  { id: group, contact: name, created_at }: GroupRecord,
): Promise<void> {
  const contact = await turn.contact(name);
  // What was written to one identity is not sent to another.
  if (contact === undefined || created_at < contact.pinned_at) return;
  const messages: OutboxRecord[] = [];
  const receipts: OutboxRecord[] = [];
  for (const [, seq] of await turn.tx.list({ prefix: `sent/${group}/` })) {
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    if (row?.state === "stored" && row.attempt < RESENDS) (row.kind === "message" ? messages : receipts).push(row);
  }
  // Receipts are confirmed only along with messages, so most of these were read long ago.
  for (const row of [...messages, ...receipts.slice(-TAIL_RECEIPTS)]) await sendAgain(turn, row.to, row);
}

function parse(body: Uint8Array): z.output<typeof Receipt> | undefined {
  try {
    const parsed = Receipt.safeParse(JSON.parse(fromUtf8(body) ?? ""));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The other side has everything on disk that we sent in this group up to this counter. */
export async function receivedUpTo(turn: Turn, from: string, group: string, counter: number): Promise<void> {
  for await (const [key, seq] of sentIn(turn, group)) {
    if (Number(key.slice(key.lastIndexOf("/") + 1)) > counter) break;
    const row = await get(turn.tx, "out/", pad(Number(seq)));
    if (row !== undefined && !(await isTo(turn, row, from))) continue;
    await turn.tx.delete(key);
    if (row === undefined) continue;
    if (row.kind === "receipt") {
      await forgetGaps(turn, row);
      await deleteRow(turn, row);
    } else if (!isFinalByReceipt(row)) await settle(turn, row, "received");
  }
}

/** What this receipt asked for was sent again, or never will be: the next ones need not name it. */
async function forgetGaps(turn: Turn, row: OutboxRecord): Promise<void> {
  const receipt = parse(toBytes((await turn.tx.get(`out-body/${pad(row.seq)}`)) ?? ""));
  for (const { group, counter } of receipt?.missing ?? []) {
    const conversation = await turn.conversation(group);
    if (conversation?.record.gaps?.includes(counter) !== true) continue;
    conversation.record.gaps = conversation.record.gaps.filter((gap) => gap !== counter);
    conversation.dirty = true;
  }
}

/** The other side could not read it: once more under the same id, or that was the last time. */
export async function sendAgain(turn: Turn, from: string, row: OutboxRecord): Promise<void> {
  if (!(await isTo(turn, row, from)) || row.group === undefined) return;
  // The relay did not keep it, for its time had run out, say. That what follows it was received says nothing of it.
  if (row.by_relay === true) return unlink(turn, row);
  // Only these have their body still, and nobody's word on what became of them. One that is queued has left us if the
  // relay's answer was lost.
  if (row.state !== "stored" && row.state !== "queued") return;
  await unlink(turn, row);
  if (row.attempt >= RESENDS) {
    if (row.kind === "receipt") await deleteRow(turn, row);
    else await settle(turn, row, "failed", "undecryptable");
    return;
  }
  await requeue(turn, { ...row, attempt: row.attempt + 1 });
}

/** Whether a contact has a say on a message: it was sent to it, and not to another identity that had its name before. */
async function isTo(turn: Turn, { to, identity_key }: OutboxRecord, from: string): Promise<boolean> {
  if (to !== from) return false;
  return identity_key === undefined || identity_key === (await turn.contact(from))?.identity_key;
}

/** Final states do not change, but for those that only the relay reported. */
function isFinalByReceipt(row: OutboxRecord): boolean {
  return row.by_relay !== true && ["handled", "failed", "expired", "refused"].includes(row.state);
}
