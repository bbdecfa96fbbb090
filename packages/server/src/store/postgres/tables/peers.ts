import { ROW_BYTES } from "../../charges.ts";
import type { Tables } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import type { Charges } from "./charges.ts";
import type { Sql } from "../link/link.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";

interface PeerRow {
  /** Undefined of one that is new. */
  number?: number;
  peer: string;
  blocked: boolean;
  address: number | null;
}

/** Whom the owners of accounts have let in, and whom they have blocked. Names in lower case. [P-7.5] */
export class Peers implements Part {
  readonly looks: Record<string, Look>;
  readonly #charges: Charges;
  readonly #capacity: number;
  /** Of pairs of owner and peer: blocked, let in, or undefined: neither. */
  readonly #pairs = new Map<string, boolean | undefined>();
  readonly #lists = new Map<string, PeerRow[]>();
  readonly #changed = new Map<string, PeerRow[]>();

  constructor(charges: Charges, capacity: number) {
    this.#charges = charges;
    this.#capacity = capacity;
    this.looks = {
      pair: async (sql, keys) => {
        const pairs = keys.map((key) => valuesOf(key) as [string, string]);
        for (const key of keys) this.#pairs.set(key, undefined);
        for (const { owner, peer, blocked } of await sql<{ owner: string; peer: string; blocked: boolean }>(
          "SELECT p.owner, p.peer, p.blocked FROM unnest($1::text[], $2::text[]) x(o, p) JOIN peers p ON p.owner = x.o AND p.peer = x.p",
          [pairs.map(([owner]) => owner), pairs.map(([, peer]) => peer)],
        ))
          this.#pairs.set(keyOf(owner, peer), blocked);
      },
      "peers of": async (sql, keys) => {
        for (const owner of keys)
          this.#lists.set(
            owner,
            await sql<PeerRow>("SELECT number, peer, blocked, address FROM peers WHERE owner = $1 ORDER BY number", [
              owner,
            ]),
          );
      },
    };
  }

  /** What senders are to those to whom they write. @param pairs Senders' mailboxes, and names of recipients */
  async read(sql: Sql, pairs: readonly (readonly [sender: number, to: string])[]): Promise<void> {
    const rows = await sql<{ owner: string; sender: string; blocked: boolean | null }>(
      `SELECT x.t AS owner, m.name AS sender, p.blocked FROM unnest($1::bigint[], $2::text[]) x(s, t) JOIN mailboxes m ON m.mailbox = x.s
        LEFT JOIN peers p ON p.owner = x.t AND p.peer = m.name`,
      [pairs.map(([sender]) => sender), pairs.map(([, to]) => to)],
    );
    for (const { owner, sender, blocked } of rows) this.#pairs.set(keyOf(owner, sender), blocked ?? undefined);
  }

  readonly tables: Tables["peers"] = {
    standing: (owner, peer) => {
      // Nobody needs leave to write to oneself.
      if (owner === peer) return "peer";
      const blocked = this.#blocked(owner, peer);
      return blocked === undefined ? "stranger" : blocked ? "blocked" : "peer";
    },
    change: (owner, address, { clear, allow, block }) => {
      const list = this.#changed.get(owner) ?? this.#lists.get(owner);
      if (list === undefined) throw new Missing("peers of", owner);
      const cleared = list.filter(
        ({ blocked }) => !(clear === "all" || (clear === "block" && blocked) || (clear === "allow" && !blocked)),
      );
      const allowed = this.#with(cleared, allow, { blocked: false, address: address ?? null });
      const changed = this.#with(allowed, block, { blocked: true, address: address ?? null });
      const kept = new Set(changed);
      const before = new Set(list);
      for (const row of list) if (!kept.has(row)) this.#charges.addAt(row.address ?? undefined, -ROW_BYTES);
      for (const row of changed) if (!before.has(row)) this.#charges.addAt(row.address ?? undefined, ROW_BYTES);
      this.#changed.set(owner, changed);
    },
    removeAll: (owner) => this.tables.change(owner, undefined, { clear: "all", allow: [], block: [] }),
  };

  #blocked(owner: string, peer: string): boolean | undefined {
    const list = this.#changed.get(owner) ?? this.#lists.get(owner);
    if (list !== undefined) return list.find((row) => row.peer === peer)?.blocked;
    const key = keyOf(owner, peer);
    if (!this.#pairs.has(key)) throw new Missing("pair", key);
    return this.#pairs.get(key);
  }

  /** The newest of each kind, as many as there is room for. */
  #with(list: PeerRow[], names: string[], kind: Pick<PeerRow, "blocked" | "address">): PeerRow[] {
    let all = list;
    for (const peer of names) {
      if (all.some((row) => row.peer === peer && row.blocked === kind.blocked)) continue;
      all = [...all.filter((row) => row.peer !== peer), { peer, ...kind }];
    }
    const surplus = all.filter(({ blocked }) => blocked === kind.blocked).slice(0, -this.#capacity);
    return surplus.length === 0 ? all : all.filter((row) => !surplus.includes(row));
  }

  undo(): void {
    this.#changed.clear();
  }

  write(send: Send): void {
    for (const [owner, list] of this.#changed) {
      const kept = new Set(list);
      const gone = (this.#lists.get(owner) ?? []).filter((row) => !kept.has(row)).map(({ number }) => number);
      if (gone.length > 0) send("DELETE FROM peers WHERE number = ANY ($1::bigint[])", [gone]);
      const fresh = list.filter(({ number }) => number === undefined);
      if (fresh.length > 0)
        send(
          "INSERT INTO peers (owner, peer, blocked, address) SELECT $1, p, b, a FROM unnest($2::text[], $3::boolean[], $4::bigint[]) WITH ORDINALITY x(p, b, a, n) ORDER BY n",
          [
            owner,
            fresh.map(({ peer }) => peer),
            fresh.map(({ blocked }) => blocked),
            fresh.map(({ address }) => address),
          ],
        );
    }
  }
}
