import { hash } from "node:crypto";
import type { Published, StockOwner, Tables } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import { handedOutUntil } from "../../package-lifetime.ts";
import type { StoreLimits } from "../../store.ts";
import { type Charges, givingBack } from "./charges.ts";
import { tableWrites } from "./columns.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

/** Packages that were handed out, of one device, that are known again if they are published once more. */
const REMEMBERED = 1_000;

interface StockRow {
  /** Undefined of one that is new. */
  number?: number;
  digest: Uint8Array;
  package?: Uint8Array;
  bytes: number;
  address: number | null;
  published_at: number;
  valid_until: number;
}

interface PackageRow {
  mailbox: number;
  package: Uint8Array;
  address: number | null;
  published_at: number;
  valid_until: number;
}
type ClaimRow = PackageRow & { claimant: number; claimed_at: number };

const lastResorts = tableWrites<PackageRow>("last_resorts", ["mailbox"], {
  mailbox: "bigint",
  package: "bytea",
  address: "bigint",
  published_at: "bigint",
  valid_until: "bigint",
});
const claims = tableWrites<ClaimRow>("claims", ["claimant", "mailbox"], {
  claimant: "bigint",
  mailbox: "bigint",
  package: "bytea",
  address: "bigint",
  published_at: "bigint",
  valid_until: "bigint",
  claimed_at: "bigint",
});

const CHARGED = "RETURNING address, coalesce(length(package), 0) AS bytes";

interface KeyPackagesContext {
  charges: Charges;
  relay: number;
  limits: Pick<StoreLimits, "keyPackages" | "claimAge">;
  now: number;
}

/** Stocks of key packages (RFC 9750, section 5.1): each is handed out once, the last resort when none is left. */
export class KeyPackages implements Part {
  readonly looks: Record<string, Look>;
  readonly #context: KeyPackagesContext;
  readonly #stocks = new Rows<number, StockRow[]>("stock");
  readonly #lastResorts = new Rows<number, PackageRow>("last resort");
  readonly #claims = new Rows<string, ClaimRow>("claim");
  readonly #packages = new Map<number, Uint8Array>();
  /** Digests of packages of a mailbox that were published before, of those that were asked for. */
  readonly #digests = new Map<string, Set<string>>();
  readonly #taken = new Set<number>();
  /** Of mailboxes, those that were published and handed out in the same batch: known again all the same. */
  readonly #spent = new Map<number, StockRow[]>();
  readonly #published = new Set<number>();
  readonly #used: [claimant: number, mailbox: number][] = [];
  #statements: [text: string, values: unknown[]][] = [];

  constructor(context: KeyPackagesContext) {
    this.#context = context;
    this.looks = {
      stock: async (sql, keys) => {
        for (const key of keys) this.#stocks.learn(Number(key), []);
        for (const row of await sql<StockRow & { mailbox: number }>(
          `SELECT mailbox, number, digest, length(package) AS bytes, address, published_at, valid_until FROM key_packages
            WHERE mailbox = ANY ($1::bigint[]) AND package IS NOT NULL ORDER BY number`,
          [keys.map(Number)],
        ))
          this.#stocks.before(row.mailbox)?.push(row);
      },
      package: async (sql, keys) => {
        for (const row of await sql<{ number: number; package: Uint8Array }>(
          "SELECT number, package FROM key_packages WHERE number = ANY ($1::bigint[])",
          [keys.map(Number)],
        ))
          this.#packages.set(row.number, row.package);
      },
      digests: async (sql, keys) => {
        for (const key of keys) {
          const [mailbox, digests] = valuesOf(key) as [number, string];
          const rows = await sql<{ digest: Uint8Array }>(
            "SELECT digest FROM key_packages WHERE mailbox = $1 AND digest = ANY ($2::bytea[])",
            [mailbox, digests.split(",").map((digest) => Buffer.from(digest, "hex"))],
          );
          this.#digests.set(key, new Set(rows.map(({ digest }) => Buffer.from(digest).toString("hex"))));
        }
      },
      "last resort": async (sql, keys) => {
        for (const key of keys) this.#lastResorts.learn(Number(key), undefined);
        for (const row of await sql<PackageRow>("SELECT * FROM last_resorts WHERE mailbox = ANY ($1::bigint[])", [
          keys.map(Number),
        ]))
          this.#lastResorts.learn(row.mailbox, row);
      },
      claim: async (sql, keys) => {
        const all = keys.map((key) => valuesOf(key) as [number, number]);
        for (const key of keys) this.#claims.learn(key, undefined);
        for (const row of await sql<ClaimRow>(
          "SELECT c.* FROM unnest($1::bigint[], $2::bigint[]) x(a, b) JOIN claims c ON c.claimant = x.a AND c.mailbox = x.b",
          [all.map(([claimant]) => claimant), all.map(([, mailbox]) => mailbox)],
        ))
          this.#claims.learn(keyOf(row.claimant, row.mailbox), row);
      },
    };
  }

  readonly tables: Tables["keyPackages"] = {
    count: (mailbox) => this.#valid(mailbox).length,
    bytes: (mailbox) => this.#stock(mailbox).reduce((sum, { bytes }) => sum + bytes, 0),
    publish: (owner, published) => this.#publish(owner, published),
    unusedClaim: (claimant, mailbox) => {
      const { now, limits } = this.#context;
      const row = this.#claims.get(keyOf(claimant, mailbox));
      const isGood = row !== undefined && row.valid_until > now && row.claimed_at > now - limits.claimAge;
      return isGood ? row.package : undefined;
    },
    take: (claimant, mailbox) => this.#take(claimant, mailbox),
    lastResort: (mailbox) => {
      const row = this.#lastResorts.get(mailbox);
      return row !== undefined && row.valid_until > this.#context.now ? row.package : undefined;
    },
    used: (claimant, mailbox) => {
      this.#claims.remove(keyOf(claimant, mailbox));
      this.#used.push([claimant, mailbox]);
    },
    removeAll: (mailbox) => {
      for (const text of REMOVE_ALL) this.#statements.push([text, [this.#context.relay, mailbox]]);
    },
    sweep: () => {
      const { relay, now, limits } = this.#context;
      for (const text of OUTDATED) this.#statements.push([text, [relay, now]]);
      this.#statements.push([FORGOTTEN, [relay, now - limits.claimAge]]);
    },
  };

  #stock(mailbox: number): StockRow[] {
    return this.#stocks.get(mailbox) ?? [];
  }

  #valid(mailbox: number): StockRow[] {
    return this.#stock(mailbox).filter(({ valid_until }) => valid_until > this.#context.now);
  }

  /** What is valid is added or takes the place of all; of more than fit the newest are kept. */
  #publish({ mailbox, address }: StockOwner, { packages, lastResort, replace }: Published): number {
    const { charges, limits, now } = this.#context;
    const fresh = packages.flatMap((bytes): StockRow[] => {
      const valid_until = handedOutUntil(bytes, now);
      const digest = hash("sha256", bytes, "buffer");
      const row = {
        digest,
        package: bytes,
        bytes: bytes.length,
        address: address ?? null,
        published_at: now,
        valid_until,
      };
      return valid_until === 0 ? [] : [row];
    });
    const known = this.#knownDigests(mailbox, fresh);
    if (replace) {
      this.#drop(mailbox, this.#stock(mailbox));
      // Nor by a claim that was not used.
      this.#statements.push([CLAIMS_OF, [this.#context.relay, mailbox]]);
    }
    for (const row of fresh) {
      const digest = hexOf(row.digest);
      if (known.has(digest)) continue;
      known.add(digest);
      this.#stocks.put(mailbox, [...this.#stock(mailbox), row]);
      charges.addAt(address, row.bytes);
    }
    if (packages.length > 0) {
      const surplus = this.#stock(mailbox).slice(0, -limits.keyPackages);
      this.#drop(mailbox, surplus);
      this.#published.add(mailbox);
    }
    const lastUntil = lastResort === undefined ? 0 : handedOutUntil(lastResort, now);
    if (lastResort !== undefined && lastUntil > 0) {
      const before = this.#lastResorts.get(mailbox);
      if (before !== undefined) charges.addAt(before.address ?? undefined, -before.package.length);
      const row = { mailbox, package: lastResort, address: address ?? null, published_at: now, valid_until: lastUntil };
      this.#lastResorts.put(mailbox, row);
      charges.addAt(address, lastResort.length);
    }
    return this.tables.count(mailbox);
  }

  #knownDigests(mailbox: number, rows: StockRow[]): Set<string> {
    if (rows.length === 0) return new Set();
    const key = keyOf(mailbox, rows.map(({ digest }) => hexOf(digest)).join(","));
    const found = this.#digests.get(key);
    if (found === undefined) throw new Missing("digests", key);
    const own = [...this.#stock(mailbox), ...(this.#spent.get(mailbox) ?? [])];
    return new Set([...found, ...own.map(({ digest }) => hexOf(digest))]);
  }

  #drop(mailbox: number, rows: StockRow[]): void {
    const gone = new Set(rows);
    this.#stocks.put(
      mailbox,
      this.#stock(mailbox).filter((row) => !gone.has(row)),
    );
    for (const row of rows) {
      this.#spend(mailbox, row);
      this.#context.charges.addAt(row.address ?? undefined, -row.bytes);
    }
  }

  #spend(mailbox: number, row: StockRow): void {
    const { number, digest, bytes, address, published_at, valid_until } = row;
    if (number !== undefined) this.#taken.add(number);
    else {
      const spent = { digest, bytes, address, published_at, valid_until };
      this.#spent.set(mailbox, [...(this.#spent.get(mailbox) ?? []), spent]);
    }
  }

  #take(claimant: number, mailbox: number): Uint8Array | undefined {
    const { charges, now } = this.#context;
    const [row] = this.#valid(mailbox);
    if (row === undefined) return undefined;
    const bytes = row.package ?? this.#packages.get(row.number ?? 0);
    if (bytes === undefined) throw new Missing("package", String(row.number));
    const before = this.#claims.get(keyOf(claimant, mailbox));
    if (before !== undefined) charges.addAt(before.address ?? undefined, -before.package.length);
    this.#stocks.put(
      mailbox,
      this.#stock(mailbox).filter((other) => other !== row),
    );
    // Still charged to its owner, until the claim is over.
    this.#spend(mailbox, row);
    const { address, published_at, valid_until } = row;
    const claim = { claimant, mailbox, package: bytes, address, published_at, valid_until, claimed_at: now };
    this.#claims.put(keyOf(claimant, mailbox), claim);
    return bytes;
  }

  undo(): void {
    for (const rows of [this.#stocks, this.#lastResorts, this.#claims]) rows.undo();
    for (const each of [this.#taken, this.#published, this.#spent]) each.clear();
    this.#used.length = 0;
    this.#statements = [];
  }

  write(send: Send): void {
    const { relay } = this.#context;
    for (const [text, values] of this.#statements) send(text, values);
    if (this.#used.length > 0)
      send(USED, [relay, this.#used.map(([claimant]) => claimant), this.#used.map(([, mailbox]) => mailbox)]);
    if (this.#taken.size > 0)
      send("UPDATE key_packages SET package = NULL WHERE number = ANY ($1::bigint[])", [[...this.#taken]]);
    for (const [mailbox, stock] of this.#stocks.made) {
      const fresh = (stock ?? []).filter(({ number }) => number === undefined);
      const rows = [...(this.#spent.get(mailbox) ?? []), ...fresh];
      if (rows.length > 0) send(ADD, [mailbox, ...listsOf(rows)]);
    }
    for (const mailbox of this.#published) send(FORGET, [mailbox, REMEMBERED]);
    const last = this.#lastResorts.kept;
    if (last.length > 0) send(lastResorts.upsert, lastResorts.values(last));
    const claimed = this.#claims.kept;
    if (claimed.length > 0) send(claims.upsert, claims.values(claimed));
  }
}

const ADD = `INSERT INTO key_packages (mailbox, digest, package, address, published_at, valid_until)
  SELECT $1::bigint, d, p, a, t, v FROM unnest($2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[]) WITH ORDINALITY x(d, p, a, t, v, n) ORDER BY n`;
const FORGET = `DELETE FROM key_packages WHERE number IN (SELECT number FROM key_packages
  WHERE mailbox = $1 AND package IS NULL ORDER BY number DESC OFFSET $2::bigint)`;
const USED = givingBack(
  `DELETE FROM claims c USING unnest($2::bigint[], $3::bigint[]) x(a, b) WHERE c.claimant = x.a AND c.mailbox = x.b RETURNING c.address, length(c.package) AS bytes`,
);
const CLAIMS_OF = givingBack(`DELETE FROM claims WHERE mailbox = $2 ${CHARGED}`);
const REMOVE_ALL = [
  givingBack(`DELETE FROM key_packages WHERE mailbox = $2 ${CHARGED}`),
  givingBack(`DELETE FROM last_resorts WHERE mailbox = $2 ${CHARGED}`),
  CLAIMS_OF,
  givingBack(`DELETE FROM claims WHERE claimant = $2 ${CHARGED}`),
];
/** Who publishes or claims has read what lies there, under the lock of its owner: of those that are locked the rest goes the next time. */
function deleting(table: string, which: string): string {
  return givingBack(
    `DELETE FROM ${table} WHERE ${which} AND mailbox IN (SELECT mailbox FROM free) ${CHARGED}`,
    `free AS (SELECT mailbox FROM mailboxes WHERE mailbox = ANY (ARRAY(SELECT mailbox FROM ${table} WHERE ${which}))
      FOR NO KEY UPDATE SKIP LOCKED),`,
  );
}
const OUTDATED = ["key_packages", "last_resorts", "claims"].map((table) =>
  deleting(table, "valid_until <= $2::bigint"),
);
const FORGOTTEN = deleting("claims", "claimed_at <= $2::bigint");

function listsOf(rows: StockRow[]): unknown[] {
  return [
    rows.map(({ digest }) => digest),
    rows.map((row) => row.package ?? null),
    rows.map(({ address }) => address),
    rows.map(({ published_at }) => published_at),
    rows.map(({ valid_until }) => valid_until),
  ];
}

function hexOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex");
}
