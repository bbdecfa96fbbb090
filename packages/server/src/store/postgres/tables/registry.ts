import { DAY_MS } from "../../days.ts";
import type { Tables } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import type { Admission, DeedDone, Deed, Refused, StoreLimits } from "../../store.ts";
import { type Charges, payers } from "./charges.ts";
import { tableWrites } from "./columns.ts";
import type { Look, Part, Send } from "./part.ts";
import { Rows } from "./rows.ts";

/** An invite that has ended stays in the list for so long. Milliseconds. */
const KEPT_MS = 30 * DAY_MS;

/** Rows of the audit log that are kept. Apart, so that a flood of refusals does not wash away what administrators did. */
const KEPT = { deed: 20_000, refusal: 80_000 };

interface AddressRow {
  id: number;
  address: string;
  /** Names that are registered or reserved. */
  accounts: number;
}

/** From where accounts were registered, by number. */
export class Addresses implements Part {
  readonly looks: Record<string, Look>;
  readonly #charges: Charges;
  readonly #limits: Pick<StoreLimits, "addressAccounts" | "addressBytes">;
  readonly #ids = new Map<string, number>();
  readonly #rows = new Rows<number, AddressRow>("address");

  constructor(charges: Charges, limits: Pick<StoreLimits, "addressAccounts" | "addressBytes">) {
    this.#charges = charges;
    this.#limits = limits;
    this.looks = {
      "address of": async (sql, keys) => {
        await sql("INSERT INTO addresses (address) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", [
          keys.toSorted(),
        ]);
        for (const row of await sql<AddressRow>(
          "SELECT id, address, accounts FROM addresses WHERE address = ANY ($1::text[]) ORDER BY id FOR UPDATE",
          [keys],
        )) {
          this.#ids.set(row.address, row.id);
          this.#rows.learn(row.id, row);
        }
      },
      address: async (sql, keys) => {
        for (const key of keys) this.#rows.learn(Number(key), undefined);
        for (const row of await sql<AddressRow>(
          "SELECT id, address, accounts FROM addresses WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE",
          [keys.map(Number)],
        ))
          this.#rows.learn(row.id, row);
      },
    };
  }

  readonly tables: Tables["addresses"] = {
    bytes: (address) => this.#charges.of(payers.address(address)),
    mail: (account) => this.#charges.of(payers.account(account)),
    idOf: (address) => {
      if (address === "") return undefined;
      const id = this.#ids.get(address);
      if (id === undefined) throw new Missing("address of", address);
      return id;
    },
    takesAccount: (id) => {
      if (id === undefined) return true;
      const { addressAccounts, addressBytes } = this.#limits;
      return (this.#rows.get(id)?.accounts ?? 0) < addressAccounts && this.tables.bytes(id) < addressBytes;
    },
    countAccount: (id, count) => {
      const row = id === undefined ? undefined : this.#rows.get(id);
      if (row !== undefined) this.#rows.put(row.id, { ...row, accounts: row.accounts + count });
    },
  };

  undo(): void {
    this.#rows.undo();
  }

  write(send: Send): void {
    for (const { id, accounts } of this.#rows.kept)
      send("UPDATE addresses SET accounts = $2::bigint WHERE id = $1", [id, accounts]);
  }
}

export interface InviteRow {
  id: string;
  hash: string;
  uses: number;
  used: number;
  created_at: number;
  expires_at: number;
  revoked: boolean;
}

export const invites = tableWrites<InviteRow>("invites", ["id"], {
  id: "text",
  hash: "text",
  uses: "bigint",
  used: "bigint",
  created_at: "bigint",
  expires_at: "bigint",
  revoked: "boolean",
});

/** Why a name that is new may not be registered; undefined if it may. @param find The invite by its hash */
export function objectionTo(
  admission: Admission,
  find: (hash: string) => InviteRow | undefined,
  now: number,
): Refused | undefined {
  if (admission === "open") return undefined;
  if (admission === "closed") return { refused: "registration_closed" };
  if (admission.invite === undefined) return { refused: "invite_required" };
  const row = find(admission.invite);
  const isGood = row !== undefined && !row.revoked && row.used < row.uses && row.expires_at > now;
  return isGood ? undefined : { refused: "invite_invalid" };
}

/** Invites, by which names are registered at a relay that does not take everybody. [P-3.8] */
export class Invites implements Part {
  readonly looks: Record<string, Look>;
  readonly #now: number;
  readonly #byHash = new Rows<string, InviteRow>("invite");
  readonly #byId = new Rows<string, InviteRow>("invite by id");
  #isSwept = false;

  constructor(now: number) {
    this.#now = now;
    this.looks = {
      invite: async (sql, keys) => {
        for (const hash of keys) this.#byHash.learn(hash, undefined);
        for (const row of await sql<InviteRow>(
          "SELECT * FROM invites WHERE hash = ANY ($1::text[]) ORDER BY id FOR UPDATE",
          [keys],
        ))
          this.#byHash.learn(row.hash, row);
      },
      "invite by id": async (sql, keys) => {
        for (const id of keys) this.#byId.learn(id, undefined);
        for (const row of await sql<InviteRow>(
          "SELECT * FROM invites WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE",
          [keys],
        ))
          this.#byId.learn(row.id, row);
      },
    };
  }

  readonly tables: Tables["invites"] = {
    objection: (admission) => objectionTo(admission, (hash) => this.#byHash.get(hash), this.#now),
    use: (admission) => {
      const hash = typeof admission === "object" ? admission.invite : undefined;
      const row = hash === undefined ? undefined : this.#byHash.get(hash);
      if (row !== undefined) this.#byHash.put(row.hash, { ...row, used: row.used + 1 });
    },
    add: (id, { hash, uses, expiresAt }) => {
      if (this.#byId.get(id) !== undefined || this.#byHash.get(hash) !== undefined) return false;
      const row = { id, hash, uses, used: 0, created_at: this.#now, expires_at: expiresAt, revoked: false };
      this.#byHash.put(hash, row);
      return true;
    },
    revoke: (id) => {
      const row = this.#byId.get(id);
      if (row === undefined) return "unknown_invite";
      if (row.revoked) return "unchanged";
      this.#byId.put(id, { ...row, revoked: true });
      return "done";
    },
    sweep: () => void (this.#isSwept = true),
  };

  undo(): void {
    this.#byHash.undo();
    this.#byId.undo();
    this.#isSwept = false;
  }

  write(send: Send): void {
    const added: InviteRow[] = [];
    const changed: [InviteRow, InviteRow][] = [];
    for (const row of [...this.#byHash.kept, ...this.#byId.kept]) {
      const before = this.#byHash.before(row.hash) ?? this.#byId.before(row.id);
      if (before === undefined) added.push(row);
      else changed.push([before, row]);
    }
    if (added.length > 0) send(...invites.insert(added));
    if (changed.length > 0) send(...invites.update(changed));
    if (this.#isSwept) send("DELETE FROM invites WHERE expires_at < $1", [this.#now - KEPT_MS]);
  }
}

/** What administrators did. */
export class Audit implements Part {
  readonly looks = {};
  readonly #now: number;
  #deeds: [Deed, DeedDone["outcome"]][] = [];

  constructor(now: number) {
    this.#now = now;
  }

  readonly tables: Tables["audit"] = { add: (deed, outcome) => void this.#deeds.push([deed, outcome]) };

  undo(): void {
    this.#deeds = [];
  }

  write(send: Send): void {
    for (const [{ who, what, target, release }, outcome] of this.#deeds) {
      send("INSERT INTO audit (kind, at, who, what, target, outcome) VALUES ('deed', $1, $2, $3, $4, $5)", [
        this.#now,
        who,
        // That a name was given free matters to whoever had it.
        release ? `${what}, release` : what,
        target,
        outcome,
      ]);
      send(TRIM, ["deed", KEPT.deed]);
    }
  }
}

const TRIM = `DELETE FROM audit WHERE kind = $1 AND number <= (SELECT number FROM audit WHERE kind = $1 ORDER BY number DESC LIMIT 1 OFFSET $2::bigint)`;

/** Adds to what is written down of refusals. */
export function countRefusals(
  send: Send,
  counts: { hour: number; reason: string; who: string; count: number }[],
): void {
  send(
    `INSERT INTO audit (kind, at, who, what, count) SELECT 'refusal', h, w, r, sum(c) FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
      WITH ORDINALITY x(h, w, r, c, n) GROUP BY h, w, r ORDER BY min(n)
      ON CONFLICT (at, what, who) WHERE kind = 'refusal' DO UPDATE SET count = audit.count + excluded.count`,
    [
      counts.map(({ hour }) => hour),
      counts.map(({ who }) => who),
      counts.map(({ reason }) => reason),
      counts.map(({ count }) => count),
    ],
  );
  send(TRIM, ["refusal", KEPT.refusal]);
}
