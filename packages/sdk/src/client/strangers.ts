/** What those may make this agent keep whom its owner has neither written to nor accepted. */
import { type InboxRecord, pad, parse, partsUnder } from "./records.ts";
import type { ReadTransaction } from "../store/store.ts";
import type { Turn } from "./turn.ts";

/** Of one, and of all of them: bodies that are not handled, in bytes, and what a message takes besides its body. */
const EACH = 16 * 2 ** 20;
const ALL = 64 * 2 ** 20;
const BESIDES = 512;
/** If a look through the inbox has found no room, the next one comes after so long; otherwise after so many times its own. */
const LOOK_AGAIN_MS = 60_000;
const REST = 10;
/** Rows that are read at once. */
const PAGE = 64;

/** Where the last complete look has found the first message that counts. */
const SINCE = "meta/strange-since";

/**
 * How much of what strangers have sent is kept, as far as it is known: what is handled or gone since is found by a look
 * through the inbox, when there is no room any more.
 */
export class Strangers {
  readonly #each = new Map<string, number>();
  readonly #changed = new Set<string>();
  #all = 0;
  #look: { since: number; after: string; first: string | undefined; each: Map<string, number> } | undefined;
  #lookAt = -Infinity;

  async load(tx: ReadTransaction): Promise<void> {
    this.#each.clear();
    this.#changed.clear();
    this.#look = undefined;
    for await (const contact of partsUnder(tx, "strange/"))
      this.#set(contact, Number((await tx.get(`strange/${contact}`)) ?? 0));
    this.#changed.clear();
    this.#all = sum(this.#each);
  }

  /** Whether a message of a stranger finds room. */
  hasRoom(contact: string, length: number): boolean {
    const cost = length + BESIDES;
    return (this.#each.get(contact) ?? 0) + cost <= EACH && this.#all + cost <= ALL;
  }

  /** Counts a message that is kept. @returns what it counts for */
  add(contact: string, length: number): number {
    const cost = length + BESIDES;
    this.#set(contact, (this.#each.get(contact) ?? 0) + cost);
    this.#all += cost;
    return cost;
  }

  /** Nothing of it is left. */
  forget(contact: string): void {
    this.#all -= this.#each.get(contact) ?? 0;
    this.#set(contact, 0);
  }

  #set(contact: string, bytes: number): void {
    this.#each.set(contact, bytes);
    this.#changed.add(contact);
  }

  /** Before a message is refused: whether all that could be let go has been looked for. If not, the next turn goes on. */
  async hasLooked(turn: Turn): Promise<boolean> {
    if (this.#look === undefined && turn.ticks < this.#lookAt) return true;
    const begun = (await turn.tx.get(SINCE)) ?? "";
    const look = (this.#look ??= { since: turn.ticks, after: String(begun), first: undefined, each: new Map() });
    const prefix = "in/";
    for (let page; ;) {
      page = await turn.tx.list({ prefix, ...(look.after === "" ? {} : { after: look.after }), limit: PAGE });
      for (const [key, value] of page) {
        const row = parse(key, value) as InboxRecord;
        if (row.strange !== undefined && (await isKept(turn, row))) {
          look.first ??= key;
          look.each.set(row.from, (look.each.get(row.from) ?? 0) + row.strange);
        }
        look.after = key;
      }
      if (page.length < PAGE) break;
      if (!turn.mayGoOn()) return false;
    }
    const before = this.#all;
    for (const contact of this.#each.keys()) if (!look.each.has(contact)) this.#set(contact, 0);
    for (const [contact, bytes] of look.each) this.#set(contact, bytes);
    this.#all = sum(this.#each);
    // Where messages are handled as they come there is room as often as it is needed.
    this.#lookAt = turn.clock() + (this.#all < before ? REST * (turn.clock() - look.since) : LOOK_AGAIN_MS);
    await turn.tx.put(SINCE, look.first === undefined ? look.after : justBefore(look.first));
    this.#look = undefined;
    return true;
  }

  async save(turn: Turn): Promise<void> {
    for (const contact of this.#changed) {
      const bytes = this.#each.get(contact) ?? 0;
      if (bytes > 0) await turn.tx.put(`strange/${contact}`, String(bytes));
      else {
        this.#each.delete(contact);
        await turn.tx.delete(`strange/${contact}`);
      }
    }
    this.#changed.clear();
  }
}

/** The body of what was handled is let go; everything else counts for as long as its sender is a stranger. */
async function isKept(turn: Turn, { seq, from, state }: InboxRecord): Promise<boolean> {
  if (!(await turn.isStranger(from))) return false;
  if (state === "handled") await turn.tx.delete(`in-body/${pad(seq)}`);
  return state !== "handled";
}

function justBefore(key: string): string {
  return `in/${pad(Math.max(0, Number(key.slice("in/".length)) - 1))}`;
}

function sum(each: Map<string, number>): number {
  return [...each.values()].reduce((all, bytes) => all + bytes, 0);
}
