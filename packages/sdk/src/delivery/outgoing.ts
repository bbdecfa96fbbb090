import { authenticatedData, type Content, encodeContent, frameId, type Header } from "../crypto/content.ts";
import { EPOCH_MESSAGES } from "../crypto/mls/seam.ts";
import { sentInEpoch } from "../crypto/mls/state.ts";
import { toBase64 } from "../protocol/index.ts";
import { isWaiting } from "../conversation/awaiting.ts";
import { shownLine } from "../conversation/pairing.ts";
import { conversationFor } from "../conversation/conversations.ts";
import { type Flight, type SendData, WINDOW } from "./flight.ts";
import { contactsWithQueue, endWaiting, hasMessage } from "./queue.ts";
import { readAddress } from "../records/addresses.ts";
import type { ContactRecord, OutboxRecord } from "../records/tables.ts";
import { counterFor, headerOf, isUnderWay, remember, sendQueued } from "./sending.ts";
import { withFiles } from "./offered-files.ts";
import { serveTeam } from "./team-outgoing.ts";
import type { Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Contacts to whom something waits that are looked at in one turn; most of them may have to wait for something else. */
const LOOKED_AT = 8 * WINDOW;

/** Encrypts what waits, contact by contact, each in order, as far as the window goes. */
export async function encryptQueued(turn: Turn, flight: Flight): Promise<void> {
  flight.toOpen.clear();
  flight.mayHaveMore = false;
  if (flight.pausedUntil > turn.ticks) return;
  for (const [username, end] of flight.ending) await endWaiting(turn, flight, username, end);
  // Each gets its share, beginning behind the one that was served last; then whoever has more gets what is left.
  const names = await contactsWithQueue(turn, flight, LOOKED_AT);
  flight.mayHaveMore = names.length >= LOOKED_AT;
  for (const most of names.length > 1 ? [Math.ceil(WINDOW / names.length), WINDOW] : [WINDOW])
    for (const username of names) {
      if (flight.room <= 0) return;
      await turn.on(`contact/${username}`, () => serve(turn, flight, username, most));
    }
}

async function serve(turn: Turn, flight: Flight, username: string, most: number): Promise<void> {
  if (flight.isPaused(username, turn.ticks) || turn.cache.isHeld(username) || flight.ending.has(username)) return;
  if (readAddress(username).kind !== "pair") return serveTeam(turn, flight, username, most);
  const contact = await turn.contact(username);
  const conversation = contact === undefined ? undefined : await conversationFor(turn, contact);
  if (flight.isUnderWayElsewhere(username, conversation?.record.id)) return;
  if (conversation === undefined) {
    if (!flight.strange.has(username) || (await hasMessage(turn, username))) flight.toOpen.add(username);
  } else if (contact !== undefined && isReady(conversation, flight)) {
    flight.lastServed = username;
    await encryptFor(turn, flight, { contact, conversation, most });
  }
}

function isReady({ record }: Pair, flight: Flight): boolean {
  if (record.state !== "open" || isWaiting(record)) return false;
  return !flight.blocked.has(record.id) || !isUnderWay(flight, record.id);
}

/** First what is encrypted already, in the order of its counters, then more. After a refusal one goes alone. */
async function encryptFor(
  turn: Turn,
  flight: Flight,
  { contact, conversation, most }: { contact: ContactRecord; conversation: Pair; most: number },
): Promise<void> {
  const { username: to, identity_key: identityKey } = contact;
  const { id: group } = conversation.record;
  // In this epoch the other side would not read more: the commit that ends it is under way.
  const left = EPOCH_MESSAGES - sentInEpoch(conversation.group);
  const seal = (row: OutboxRecord, body: Uint8Array) => encryptRow(turn, conversation, row, body);
  return sendQueued(turn, flight, { to, group, identityKey, most, left, seal });
}

/** What of a row is made when it leaves: the proof of a pairing, and where its files lie by now. */
async function contentOf(
  turn: Turn,
  row: OutboxRecord,
  { record, body }: Pick<Pair, "record"> & { body: Uint8Array },
): Promise<Omit<Content, "header">> {
  return row.kind === "pairing" ? { body: await shownLine(turn, record, body) } : withFiles(turn, row, body);
}

/** Encrypts one row in the present epoch, and remembers it as it leaves. */
export async function encryptRow(
  turn: Turn,
  conversation: Pair,
  row: OutboxRecord,
  body: Uint8Array,
): Promise<SendData> {
  const { record, peer } = conversation;
  const { device, identity } = turn.account;
  const messageId = frameId(row.id, row.attempt);
  const counter = await counterFor(turn, conversation, row);
  const header: Header = {
    ...headerOf(turn, row, counter),
    ...(peer.receive_counter === 0 || (peer.gaps ?? []).length > 0 ? {} : { read: peer.receive_counter }),
    ...(counter === 1 && record.replaces.length > 0 ? { replaces: record.replaces } : {}),
  };
  const { expires_at: expiresAt } = header;
  const aad = authenticatedData({
    messageId,
    from: identity.username,
    fromDevice: device.id,
    to: row.to,
    toDevice: peer.device,
    expiresAt,
  });
  const plaintext = encodeContent({ header, ...(await contentOf(turn, row, { record, body })) });
  const { group, message, consumed } = await turn.on(`group/${record.id}`, () =>
    turn.crypto.encrypt(conversation.group, plaintext, aad),
  );
  conversation.group = group;
  conversation.dirty = true;
  record.messages_since_commit += 1;
  if (row.kind === "receipt") peer.receipts_out = (peer.receipts_out ?? 0) + 1;
  if (record.role === "joiner") record.answered = true;
  turn.consumed.push(...consumed);
  const data: SendData = {
    to: row.to,
    message: toBase64(message),
    group_id: record.id,
    epoch: record.epoch,
    message_id: messageId,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
  };
  const now = { ...row };
  const contact = row.kind === "receipt" ? undefined : await turn.contact(record.contact);
  if (contact !== undefined) now.identity_key ??= contact.identity_key;
  await remember(turn, now, { group: record.id, epoch: record.epoch, counter }, data);
  return data;
}
