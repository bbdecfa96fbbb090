import { hash } from "node:crypto";
import type { Published, StockOwner, Tables } from "../../decisions/tables.ts";
import { Missing } from "../../decisions/work.ts";
import { handedOutUntil } from "../../package-lifetime.ts";
import type { StoreLimits } from "../../store.ts";
import type { Charges } from "./charges.ts";
import {
  ADD,
  type ClaimRow,
  CLAIMS_OF,
  claims,
  FORGET,
  FORGOTTEN,
  lastResorts,
  listsOf,
  OUTDATED,
  type PackageRow,
  REMOVE_ALL,
  type StockRow,
  USED,
} from "./key-package-rows.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

/** Packages that were handed out, of one device, that are known again if they are published once more. */
const REMEMBERED = 1_000;

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
  readonly #replaced: ClaimRow[] = [];
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
      const key = keyOf(claimant, mailbox);
      // One of the same batch is in no table yet; what it has taken the place of was given back with it.
      const own = this.#claims.made.get(key);
      if (own === undefined) this.#used.push([claimant, mailbox]);
      else {
        this.#context.charges.addAt(own.address ?? undefined, -own.package.length);
        this.#replaced.push(own);
      }
      this.#claims.remove(key);
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
    if (bytes === undefined) throw new Missing("package", String(row.number), this.#ahead(mailbox));
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

  /** Packages behind the next one: as many as were read before, so that many claims of one stock do not ask for one after another. */
  #ahead(mailbox: number): Missing[] {
    const read = (this.#stocks.before(mailbox) ?? []).filter(({ number = 0 }) => this.#packages.has(number));
    const next = this.#valid(mailbox).flatMap(({ number }) => (number === undefined ? [] : [number]));
    return next.slice(1, 1 + read.length).map((number) => new Missing("package", String(number)));
  }

  undo(): void {
    for (const rows of [this.#stocks, this.#lastResorts, this.#claims]) rows.undo();
    for (const each of [this.#taken, this.#published, this.#spent]) each.clear();
    this.#used.length = this.#replaced.length = 0;
    this.#statements = [];
  }

  write(send: Send): void {
    const { relay } = this.#context;
    for (const [text, values] of this.#statements) send(text, values);
    if (this.#used.length > 0)
      send(USED, [relay, this.#used.map(([claimant]) => claimant), this.#used.map(([, mailbox]) => mailbox)]);
    if (this.#replaced.length > 0) send(claims.remove, claims.keys(this.#replaced));
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

function hexOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex");
}
