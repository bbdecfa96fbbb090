import { conversationFor } from "../conversation/conversations.ts";
import { rosterIn, teamByKey } from "../conversation/teams.ts";
import { usernameKey } from "../protocol/index.ts";
import type { Flight } from "./flight.ts";
import { Pace, type Place } from "./pace.ts";
import { readAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { flushReceipt } from "./receipts.ts";
import { get, partsUnder } from "../records/records.ts";
import type { Turn } from "../turn/turn.ts";

/** Contacts to whom something is owed that are looked at in one turn: anybody may become one. */
const LOOKS = 500;
/** How long what a receipt says waits for more of it. Milliseconds. */
const GATHER_MS = 5;
/**
 * Receipts in a conversation that the other side has not confirmed, without consequences; with each one more they are so
 * much further apart. However much it sends and never confirms, they do not pile up.
 */
const UNCONFIRMED = 200;
const APART_MS = 20;
/** So many of the rows that wait for a contact are looked at for a receipt. */
const LAST = 16;

/**
 * When receipts leave. What handlers report leaves at once, and what follows in a moment together. What has only arrived
 * waits for that long for its handler, so that most messages cause one receipt.
 */
export class Gathering {
  /** By `performance.now()`; Infinity if nothing waits. */
  dueAt = Infinity;
  #since: number | undefined;
  /** Up to this contact the last turn has looked; undefined if to the end. */
  #behind: string | undefined;
  #flushedAt = -Infinity;
  /** When a receipt left for a contact that does not confirm them. */
  readonly #leftAt = new Map<string, number>();
  readonly #pace = new Pace();

  /** Puts what is due into the outbox; everything, if this is the `last` turn. */
  async flush(turn: Turn, flight: Flight, last: boolean): Promise<void> {
    const names: string[] = [];
    let reported = false;
    let later = Infinity;
    let looks = 0;
    let behind: string | undefined;
    for await (const contact of partsUnder(turn.tx, "owed/", this.#behind)) {
      if ((looks += 1) > LOOKS) {
        later = turn.ticks + GATHER_MS;
        break;
      }
      behind = contact;
      // Words that cannot leave now gather here, and not as one receipt after another in the outbox.
      if (flight.hasReceiptUnderWay(contact) || flight.isPaused(contact, turn.ticks) || flight.strange.has(contact))
        continue;
      const at = await turn.on(`owed/${contact}`, () => this.#earliest(turn, contact));
      later = Math.min(later, at > turn.ticks ? at : Infinity);
      if ((at > turn.ticks && !last) || (await receiptWaits(turn, contact))) continue;
      names.push(contact);
      reported ||= (await turn.tx.list({ prefix: owed(contact, "done"), limit: 1 })).length > 0;
    }
    this.#since = names.length === 0 ? undefined : (this.#since ?? turn.ticks);
    this.dueAt = this.#since === undefined ? later : (reported ? this.#flushedAt : this.#since) + GATHER_MS;
    if (names.length > 0 && !last && turn.ticks < this.dueAt) return;
    this.#behind = looks > LOOKS ? behind : undefined;
    if (names.length === 0) return;
    this.#since = undefined;
    this.#flushedAt = turn.ticks;
    this.dueAt = later;
    for (const contact of names) {
      if (!turn.mayGoOn()) return;
      if (this.#leftAt.has(contact)) this.#leftAt.set(contact, turn.ticks);
      if (readAddress(contact).kind === "direct") this.#pace.left(contact, turn.ticks);
      await turn.on(`owed/${contact}`, () => flushReceipt(turn, contact));
    }
  }

  /** When the next receipt to a contact may leave, for want of confirmation of those before; to a member of a team, for the sake of its peace. */
  async #earliest(turn: Turn, contact: string): Promise<number> {
    const address = readAddress(contact);
    if (address.kind === "direct") return this.#pace.due(contact, turn.ticks, () => placeIn(turn, address.key));
    const wait = await apart(turn, contact);
    if (wait === 0) this.#leftAt.delete(contact);
    else if (!this.#leftAt.has(contact)) this.#leftAt.set(contact, turn.ticks);
    return (this.#leftAt.get(contact) ?? -Infinity) + wait;
  }
}

/** Whether a receipt is among the last that wait for a contact: with each connection that could not take it, another one would join it. */
async function receiptWaits(turn: Turn, contact: string): Promise<boolean> {
  const prefix = `queue/${contact}/`;
  for (const [key] of await turn.tx.list({ prefix, reverse: true, limit: LAST }))
    if ((await get(turn.tx, "out/", key.slice(prefix.length)))?.kind === "receipt") return true;
  return false;
}

/** Our place among the members of a team. */
async function placeIn(turn: Turn, key: string): Promise<Place> {
  const found = await teamByKey(turn, key);
  const names = found === undefined ? [] : (await rosterIn(turn, found.team)).map(({ name }) => name);
  const index = names.indexOf(usernameKey(turn.account.identity.username));
  return { index: Math.max(0, index), members: Math.max(1, names.length) };
}

/** How long after one receipt to a contact the next one leaves. Milliseconds. */
async function apart(turn: Turn, username: string): Promise<number> {
  const contact = await turn.contact(username);
  const conversation = contact === undefined ? undefined : await conversationFor(turn, contact);
  if (conversation === undefined) return 0;
  return Math.max(0, (conversation.peer.receipts_out ?? 0) - UNCONFIRMED) * APART_MS;
}
