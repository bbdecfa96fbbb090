/** Room in this agent's store for those whom its owner has neither written to nor accepted. */
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { LET_GO, letGoKey } from "../records/let-go.ts";
import { get, pad, partsUnder, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";

/** Of all of them: bodies that are not handled, in bytes, and what a message takes besides its body. */
const ALL = 64 * 2 ** 20;
const BESIDES = 512;
/** The part that one may have of what the others leave: whoever is first takes no room from those who come later. */
const PART = 1 / 4;
/** Rows that are read at once. */
const PAGE = 64;
/** Room that somebody gets out of its own at once, so that not each of its messages has to look for some. Bytes. */
const AT_ONCE = 64 * 2 ** 10;

/** What of a turn is asked here. */
interface Asked {
  readonly tx: WriteTransaction;
  isStranger(username: string): Promise<boolean>;
}

/** How much of what strangers have sent is kept. What was handled is counted until its room is needed. */
export class Strangers {
  readonly #each = new Map<string, number>();
  readonly #changed = new Set<string>();
  #all = 0;

  async load(tx: ReadTransaction): Promise<void> {
    this.#each.clear();
    this.#all = 0;
    for await (const contact of partsUnder(tx, "strange/"))
      this.#count(contact, Number((await tx.get(`strange/${contact}`)) ?? 0));
    this.#changed.clear();
  }

  /** Whether a message of a stranger finds room. Makes some of what was handled: its own first, and of others' no more than it takes. */
  async hasRoom(turn: Asked, contact: string, length: number): Promise<boolean> {
    const has = (more = 0) => {
      const own = this.#each.get(contact) ?? 0;
      return own + length + BESIDES + more <= PART * (ALL - (this.#all - own));
    };
    if (has()) return true;
    for (const [under, more] of [
      [`${contact}/`, AT_ONCE],
      ["", 0],
    ] as const)
      for (let page; !has(more) && (page = await turn.tx.list({ prefix: LET_GO + under, limit: PAGE })).length > 0;)
        for (const [key, gone] of page) if (!has(more)) await this.#letGo(turn, key, Number(gone));
    return has();
  }

  /** @param gone The weight of one that is not in the inbox any more; 0 of one that is */
  async #letGo(turn: Asked, key: string, gone: number): Promise<void> {
    const [, from = "", seq = ""] = key.split("/");
    await turn.tx.delete(key);
    if (await turn.isStranger(from)) {
      const row = await get(turn.tx, "in/", seq);
      if (row === undefined) return this.#count(from, -gone);
      await turn.tx.delete(`in-body/${seq}`);
      this.#count(from, -(row.strange ?? 0));
      await put(turn.tx, "in/", seq, { ...row, strange: 0 });
    } else this.#count(from, -Infinity);
  }

  /** Counts a message that is kept. @returns what it counts for */
  add(contact: string, length: number): number {
    this.#count(contact, length + BESIDES);
    return length + BESIDES;
  }

  /** A message is not kept any more. */
  async remove(tx: WriteTransaction, { seq, from, strange = 0 }: InboxRecord): Promise<void> {
    if (strange === 0) return;
    this.#count(from, -strange);
    await tx.delete(letGoKey(from, pad(seq)));
  }

  /** Nothing of a stranger is kept any more. */
  forget(contact: string): void {
    this.#count(contact, -Infinity);
  }

  #count(contact: string, bytes: number): void {
    const before = this.#each.get(contact) ?? 0;
    const after = Math.max(0, before + bytes);
    this.#each.set(contact, after);
    this.#all += after - before;
    this.#changed.add(contact);
  }

  async save(tx: WriteTransaction): Promise<void> {
    for (const contact of this.#changed) {
      const bytes = this.#each.get(contact) ?? 0;
      if (bytes > 0) await tx.put(`strange/${contact}`, String(bytes));
      else {
        this.#each.delete(contact);
        await tx.delete(`strange/${contact}`);
      }
    }
    this.#changed.clear();
  }
}
