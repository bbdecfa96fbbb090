import { Missing } from "../../decisions/work.ts";
import type { Sql } from "../link/link.ts";
import type { Look, Part } from "./part.ts";

/** Places that one block has. Numbers stay exact in JSON for 2^43 blocks. */
export const BLOCK = 1024;

const NEXT = "SELECT nextval($1::regclass) AS number FROM generate_series(1, $2::int)";

/**
 * Numbers that are given once. Those of entries come in blocks, which a batch takes when it has its locks: so in a mailbox the order of the
 * places is that in which they were committed.
 */
export class Numbers implements Part {
  readonly looks: Record<string, Look> = {
    block: async (sql, keys) => void this.#blocks.push(...(await draw(sql, "blocks", keys.length))),
    mailbox: async (sql, keys) => void this.#spare.push(...(await draw(sql, "mailbox_numbers", keys.length))),
  };
  readonly #blocks: number[] = [];
  readonly #spare: number[];
  #places = 0;
  #made = 0;

  /** @param spare Numbers of mailboxes that were drawn and not used. */
  constructor(spare: number[]) {
    this.#spare = spare;
  }

  /** Has blocks at hand for so many places. */
  async prepare(sql: Sql, places: number): Promise<void> {
    const count = Math.ceil(places / BLOCK);
    if (count > 0) this.#blocks.push(...(await draw(sql, "blocks", count)));
  }

  /** Of an entry, a body or a claim. */
  place(): number {
    const at = Math.floor(this.#places / BLOCK);
    const block = this.#blocks[at];
    if (block === undefined) throw new Missing("block", String(at));
    return block * BLOCK + (this.#places++ % BLOCK);
  }

  mailbox(): number {
    const number = this.#spare[this.#made];
    if (number === undefined) throw new Missing("mailbox", String(this.#made));
    this.#made += 1;
    return number;
  }

  undo(): void {
    this.#places = 0;
    this.#made = 0;
  }

  write(): void {}

  committed(): void {
    this.#spare.splice(0, this.#made);
  }
}

async function draw(sql: Sql, sequence: string, count: number): Promise<number[]> {
  const rows = await sql<{ number: number }>(NEXT, [sequence, count]);
  return rows.map(({ number }) => number).toSorted((one, other) => one - other);
}
