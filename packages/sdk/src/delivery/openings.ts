/** Opening conversations with those to whom something waits: claimed keys in, the first messages out. */
import { largestBody } from "../crypto/content.ts";
import { randomId, type RelayFrameData, toBase64, usernameKey } from "../protocol/index.ts";
import { isTemporary, type Refusal } from "../wire/connection.ts";
import { refuseWithoutKey } from "../trust/contacts.ts";
import { keepCommit } from "../conversation/commits.ts";
import { openConversation } from "../conversation/conversations.ts";
import type { CommitData, Flight } from "./flight.ts";
import { encryptRow } from "./outgoing.ts";
import { IN_USE_MS, isInUse, use } from "./packages.ts";
import { bodyToSend, endWaiting, failWaiting, lengthOf, queuedRows } from "./queue.ts";
import { pad } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { takeBack } from "../trust/standing.ts";
import type { Turn } from "../turn/turn.ts";

/** Messages in the frame that opens a conversation, at most. */
const OPENING_MESSAGES = 32;
const RETRY_MS = 1_000;

/** Opens a conversation by claimed keys; the first messages that wait travel with the Welcome. */
export async function openWith(
  turn: Turn,
  flight: Flight,
  username: string,
  keys: RelayFrameData<"keys">,
): Promise<void> {
  const rows = await queuedRows(turn, flight, username, OPENING_MESSAGES);
  // Whether it is who was pinned is seen when its certificate is met.
  const identityKey = (await turn.contact(username))?.identity_key ?? keys.identity_key;
  const bodies = new Map<OutboxRecord, Uint8Array>();
  for (const row of rows)
    await turn.on(`out/${pad(row.seq)}`, async () => {
      const body = await bodyToSend(turn, row, identityKey);
      if (body !== undefined) bodies.set(row, body);
    });
  // Whoever was meant is not there: nobody is pinned for those who come later.
  if (bodies.size === 0 || bodies.size < rows.length) return;
  if (isInUse(turn, flight, keys)) return flight.pause(username, turn.ticks + IN_USE_MS);
  const isNew = (await turn.contact(username)) === undefined;
  const opening = await openConversation(turn, keys);
  if ("failed" in opening) {
    const { failed } = opening;
    if (failed === "identity_changed" || failed === "device_changed")
      return failWaiting(turn, flight, username, failed);
    flight.backOff(username, turn.ticks, RETRY_MS);
    if (failed === "bad_key_package") flight.badPackages.add(username);
    return;
  }
  flight.badPackages.delete(username);
  flight.strange.delete(username);
  const pinned = await turn.contact(username);
  // It was answered, and not written to.
  if (isNew && pinned !== undefined && rows.every(({ kind }) => kind === "receipt"))
    turn.saveContact({ ...pinned, stranger: true });
  const { conversation, welcome } = opening;
  const { record, peer } = conversation;
  const messages: NonNullable<CommitData["messages"]> = [];
  const inside: number[] = [];
  let room = turn.account.relay.frame_bytes - 4 * welcome.length;
  for (const [row, body] of bodies) {
    // What does not fit goes as a frame of its own, once the conversation is open.
    if (lengthOf(row, body) > largestBody(room)) break;
    const data = await turn.on(`out/${pad(row.seq)}`, () => encryptRow(turn, conversation, row, body));
    room -= data.message.length + 512;
    inside.push(row.seq);
    messages.push({
      to: row.to,
      message: data.message,
      message_id: data.message_id ?? row.id,
      ...(data.expires_at === undefined ? {} : { expires_at: data.expires_at }),
    });
    flight.sends.set(row.seq, {
      contact: username,
      group: record.id,
      lane: record.id,
      kind: row.kind,
      size: data.message.length,
    });
  }
  const frame: CommitData = {
    commit_id: randomId(),
    group_id: record.id,
    epoch: 0,
    members: [
      { username: usernameKey(turn.account.identity.username), device: turn.account.device.id },
      { username, device: peer.device },
    ],
    welcomes: [{ to: username, device: peer.device, welcome: toBase64(welcome) }],
    messages,
  };
  use(flight, record.id, [keys]);
  await keepCommit(turn, flight.postCommit, { kind: "open", frame, rows: inside });
}

/** The relay had no key package for us. */
export async function cannotOpen(turn: Turn, flight: Flight, username: string, refusal: Refusal): Promise<void> {
  const token = refusal.reason === "token_account" || refusal.reason === "encryption_required";
  if (token && (await refuseWithoutKey(turn, username))) return failWaiting(turn, flight, username, "identity_changed");
  if (isTemporary(refusal) || refusal.reason === "no_key_packages") {
    flight.backOff(username, turn.ticks, refusal.retry_after_ms ?? 5 * RETRY_MS);
    return;
  }
  if (refusal.reason === "unknown_user" && (await turn.contact(username)) === undefined)
    await takeBack(turn.tx, username);
  await endWaiting(turn, flight, username, { state: "refused", reason: refusal.reason, keepsReceipts: false });
}
