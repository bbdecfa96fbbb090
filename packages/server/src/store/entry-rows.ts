/** Rows of entries, as databases have them. */
import type { DeliveryKind } from "@aimessage/sdk/protocol";
import type { Swept } from "./decisions/tables.ts";
import type { Body, Entry } from "./store.ts";

/** What any database keeps of an entry beside its texts. */
export interface EntryFields {
  seq: number;
  mailbox: number;
  /** Lower-case name of who is charged for it. */
  sender: string;
  from_name: string;
  device: string | null;
  kind: DeliveryKind;
  group_id: string | null;
  epoch: number | null;
  message_id: string;
  expires_at: number | null;
  stored_at: number;
  bytes: number;
  status: NonNullable<Entry["status"]> | null;
  reason: string | null;
  /** The recipient had not let the sender in: true or 1. */
  stranger: boolean | number | null;
  address: number | null;
  pos: number | null;
  body: number | null;
}

/** All of an entry but its message, which may be long. */
export type SweptFields = Omit<EntryFields, "expires_at" | "status" | "reason">;

export const SWEPT_COLUMNS =
  "seq, mailbox, sender, from_name, device, kind, bytes, group_id, epoch, message_id, stored_at, stranger, address, pos, body";

/** The texts of an entry, and that of its body. */
interface Texts {
  message: string;
  sessionId: string | undefined;
  text: string | null;
}

/** @param shared Bodies that were read with others. */
export function entryFrom(row: EntryFields, { message, sessionId, text }: Texts, shared: Map<number, Body>): Entry {
  return {
    seq: row.seq,
    mailbox: row.mailbox,
    from: row.from_name,
    device: row.device ?? undefined,
    kind: row.kind,
    message,
    sessionId,
    groupId: row.group_id ?? undefined,
    epoch: row.epoch ?? undefined,
    messageId: row.message_id,
    expiresAt: row.expires_at ?? undefined,
    storedAt: row.stored_at,
    bytes: row.bytes,
    status: row.status ?? undefined,
    reason: row.reason ?? undefined,
    pos: row.pos ?? undefined,
    body: bodyOf(row.body, text, shared),
  };
}

function bodyOf(body: number | null, text: string | null, shared: Map<number, Body>): Body | undefined {
  if (body === null || text === null) return undefined;
  const known = shared.get(body) ?? { id: body, text };
  shared.set(body, known);
  return known;
}

export function sweptFrom(row: SweptFields): Swept {
  return {
    seq: row.seq,
    mailbox: row.mailbox,
    sender: row.sender,
    from: row.from_name,
    device: row.device ?? undefined,
    kind: row.kind,
    bytes: row.bytes,
    groupId: row.group_id ?? undefined,
    epoch: row.epoch ?? undefined,
    messageId: row.message_id,
    storedAt: row.stored_at,
    stranger: Boolean(row.stranger),
    address: row.address ?? undefined,
    pos: row.pos ?? undefined,
    body: row.body ?? undefined,
  };
}
