/** Pairing, as the link does it: that the code of a line is known is proven in a conversation, and judged there. [P-9.15] */
import * as z from "zod/mini";
import type { Content } from "../crypto/content.ts";
import { formatFingerprint } from "../crypto/identity.ts";
import { isProven, prove } from "../crypto/pairing.ts";
import { fromBase64, fromUtf8, isBase64, pairingBytes, toBase64, utf8 } from "../protocol/index.ts";
import { owe } from "../records/owed.ts";
import { get, nextSeq, put, readable } from "../records/records.ts";
import type { LineRecord } from "../records/pairing-records.ts";
import type { GroupRecord } from "../records/group-records.ts";
import type { ContactRecord, OutboxRecord } from "../records/tables.ts";
import { hasOpenLine, isBlocked, isForAnother, isOpen, verified } from "../trust/pairing.ts";
import type { Pair } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Why a line does not pair: a word of the receipt. */
export type Objection =
  | "pairing_unknown"
  | "pairing_wrong"
  | "pairing_used"
  | "pairing_expired"
  | "pairing_other"
  | "pairing_refused"
  | "blocked";

/** The body of the message. */
const Shown = z.object({
  line: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  proof: z.string().check(z.maxLength(64), z.refine(isBase64)),
});

/** The cost of one that names no line of ours. See `Waste`. */
const UNKNOWN = 0.2;
/** So much room there is for the first message of a stranger while a line is open: more than one that proves takes. Characters. */
const FIRST_MESSAGE = 4_096;

/** Whether a message may be read although there is no room for its sender's: it may be the one that a line is open for. */
export async function mayPair(turn: Turn, { record, peer }: Pair, length: number): Promise<boolean> {
  if (record.role !== "joiner" || peer.receive_counter > 0 || length > FIRST_MESSAGE) return false;
  return hasOpenLine(turn.tx, turn.now);
}

/** The body of a message that shows a line, in the conversation in which it leaves. `body` names the line. */
export async function shownLine(turn: Turn, group: GroupRecord, body: Uint8Array): Promise<Uint8Array> {
  const line = fromUtf8(body) ?? "";
  const pairing = await get(turn.tx, "pairing/", line);
  const contact = await turn.contact(group.contact);
  if (pairing === undefined || contact === undefined) return utf8(JSON.stringify({ line, proof: "" }));
  const bytes = pairingBytes({
    relay: pairing.relay,
    maker: sideOf(contact),
    taker: ownSide(turn),
    group: group.id,
  });
  return utf8(JSON.stringify({ line, proof: toBase64(await prove(pairing.code, bytes)) }));
}

/**
 * Somebody shows a line. It is burnt in this transaction; whoever has burnt it before is told the same again.
 * @returns why it does not pair; undefined if it does, or its owner is asked
 */
export async function receiveLine(
  turn: Turn,
  group: GroupRecord,
  { header, body }: Content,
): Promise<Objection | undefined> {
  const shown = Shown.safeParse(readable(fromUtf8(body) ?? "")).data;
  const line = shown === undefined ? undefined : await get(turn.tx, "line/", shown.line);
  const contact = await turn.contact(group.contact);
  if (shown === undefined || line === undefined || contact === undefined) {
    turn.wasted(group.contact, UNKNOWN);
    return "pairing_unknown";
  }
  const bytes = pairingBytes({ relay: line.relay, maker: ownSide(turn), taker: sideOf(contact), group: group.id });
  if (!(await isProven(line.code, bytes, fromBase64(shown.proof)))) return wrong(turn, contact);
  const { by } = line;
  if (by !== undefined && (by.username !== contact.username || by.identity_key !== contact.identity_key))
    return used(turn, by.username, contact);
  const isWithdrawn = by === undefined && line.state === "withdrawn";
  if (isWithdrawn && !contact.verified) return "pairing_refused";
  if (by === undefined && !isWithdrawn && !isOpen(line, turn.now)) return "pairing_expired";
  const { username, identity_key } = contact;
  const seq = by?.seq ?? (await nextSeq(turn.tx, "in"));
  return decide(turn, contact, {
    ...line,
    // Two lines have crossed, and by the other one they are paired already.
    ...(isWithdrawn ? { state: "paired" } : {}),
    by: { username, identity_key, id: header.id, seq, at: by?.at ?? turn.now },
  });
}

/** The owner's word on whoever uses the line, given before or now. */
async function decide(turn: Turn, contact: ContactRecord, line: LineRecord): Promise<Objection | undefined> {
  const isFirst = line.state === "open";
  const isUnwanted = await isBlocked(turn.tx, contact);
  const state = isUnwanted && line.state !== "paired" ? "refused" : stateOf(line, contact);
  await put(turn.tx, "line/", line.id, { ...line, state });
  if (isFirst && state === "paired") turn.letIn(await verified(turn.tx, contact));
  if (isFirst) await tell(turn, contact, line, state);
  if (isUnwanted) return "blocked";
  if (state === "paired") await answer(turn, line);
  if (state !== "refused") return undefined;
  return isForAnother(line) ? "pairing_other" : "pairing_refused";
}

function stateOf({ state, for: name, yes }: LineRecord, { username }: ContactRecord): LineRecord["state"] {
  if (state !== "open") return state;
  if (name !== undefined) return name === username ? "paired" : "refused";
  return yes === true ? "paired" : "asked";
}

async function answer({ tx }: Turn, { by }: LineRecord): Promise<void> {
  if (by !== undefined) await owe(tx, { ...by, from: by.username, state: "handled" });
}

async function tell(turn: Turn, contact: ContactRecord, line: LineRecord, state: LineRecord["state"]): Promise<void> {
  const who = await described(turn, contact);
  if (state === "asked")
    await turn.alert(
      "pairing_asked",
      contact.username,
      `${who} has used a pairing line: aimessage pair --resume asks about it`,
    );
  if (state === "refused")
    await turn.alert(
      "pairing_refused",
      contact.username,
      line.for === undefined
        ? `${who} has used a pairing line and is blocked; the line is of no use any more`
        : `${who} has used a pairing line that was for ${line.for}; somebody else has read it, and it is of no use any more`,
    );
}

async function wrong(turn: Turn, contact: ContactRecord): Promise<"pairing_wrong"> {
  await turn.alert(
    "pairing_wrong",
    contact.username,
    `${await described(turn, contact)} shows a pairing line in a way that is not right: somebody may be in between, or the line was altered`,
  );
  return "pairing_wrong";
}

async function used(turn: Turn, by: string, contact: ContactRecord): Promise<"pairing_used"> {
  await turn.alert(
    "pairing_used",
    contact.username,
    `${await described(turn, contact)} shows a pairing line that ${by} had used before: one of the two has read what was not for it`,
  );
  return "pairing_used";
}

async function described(turn: Turn, { username, identity_key }: ContactRecord): Promise<string> {
  return `${username} (${formatFingerprint(await turn.fingerprintOf(username, identity_key))})`;
}

/** The other side has paired: it is who its line says, or the message would not have been for it. */
export async function paired(turn: Turn, { to }: OutboxRecord): Promise<void> {
  const contact = await turn.contact(to);
  if (contact !== undefined && !(await isBlocked(turn.tx, contact))) turn.letIn(await verified(turn.tx, contact));
}

function sideOf({ username, identity_key }: ContactRecord) {
  return { username, identityKey: fromBase64(identity_key) };
}

function ownSide({ account }: Turn) {
  return { username: account.identity.username, identityKey: account.identity.publicKey };
}
