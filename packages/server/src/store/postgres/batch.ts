import { BoundedMap } from "../bounded-map.ts";
import type { Tables } from "../decisions/tables.ts";
import { Missing } from "../decisions/work.ts";
import type { Entry, StoreLimits } from "../store.ts";
import type { KnownDevices } from "./tables/account-rows.ts";
import { Accounts } from "./tables/accounts.ts";
import { Allowances } from "./tables/allowances.ts";
import { BlobTable } from "./tables/blobs.ts";
import { Boxes } from "./tables/boxes.ts";
import { Charges, KnownCharges } from "./tables/charges.ts";
import { Groups } from "./tables/groups.ts";
import type { Hints } from "./hints.ts";
import { KeyPackages } from "./tables/key-packages.ts";
import type { Sql } from "./link/link.ts";
import { Mail } from "./tables/mail.ts";
import { Numbers } from "./tables/numbers.ts";
import type { Look, Part, Send } from "./tables/part.ts";
import { Peers } from "./tables/peers.ts";
import { Addresses, Audit, Invites } from "./tables/registry.ts";
import { Requests } from "./tables/requests.ts";
import { Statements } from "./tables/statements.ts";
import { Upkeep } from "./tables/upkeep.ts";

/** What a relay remembers beyond a batch, and what it is. */
export interface Memory {
  readonly limits: StoreLimits;
  readonly relay: number;
  /** Relays that live, as far as is known; and the highest number of one that it is known of. */
  living: ReadonlySet<number>;
  newestRelay: number;
  /** Requests from before this time are forgotten: Unix ms. */
  requestsSince: number;
  readonly devices: KnownDevices;
  readonly charges: KnownCharges;
  /** Bodies of messages to teams whose sender has been told that they expired. */
  readonly told: BoundedMap<number, true>;
  /** When mailboxes acknowledged or committed something last: Unix ms. */
  readonly heard: BoundedMap<number, number>;
  readonly spareMailboxes: number[];
  /** How many members teams had when something was for them last. */
  readonly teamSizes: BoundedMap<string, number>;
  /** Days of which there are tables of requests. */
  readonly days: Set<number>;
}

export function newMemory(of: Pick<Memory, "limits" | "relay" | "requestsSince">): Memory {
  return {
    ...of,
    living: new Set(),
    newestRelay: 0,
    devices: new BoundedMap(),
    charges: new KnownCharges(),
    told: new BoundedMap(),
    heard: new BoundedMap(),
    spareMailboxes: [],
    teamSizes: new BoundedMap(),
    days: new Set(),
  };
}

/** Those that live; a relay that has ended, or is dead, has no row. */
export const RELAYS = "SELECT relay FROM relays";

/** @param asked The number of a relay that began before they were read */
export function learnRelays(memory: Memory, rows: readonly { relay: number }[], asked = 0): void {
  memory.living = new Set(rows.map(({ relay }) => relay));
  memory.newestRelay = Math.max(memory.newestRelay, asked, ...memory.living);
}

/** All tables, as one transaction has read them under its locks, and as it will write them. */
export class Batch {
  /** The time of all that is decided, however often it is: what was read for a decision was read by it. Unix ms. */
  readonly now: number;
  readonly tables: Tables;
  readonly boxes = new Boxes();
  readonly mail: Mail;
  readonly blobs: BlobTable;
  readonly numbers: Numbers;
  readonly upkeep: Upkeep;
  readonly #charges: Charges;
  readonly #requests: Requests;
  readonly #groups: Groups;
  readonly #peers: Peers;
  readonly #accounts: Accounts;
  readonly #parts: Part[];
  readonly #looks: Record<string, Look>;
  #statements: [text: string, values: readonly unknown[]][] = [];

  constructor(memory: Memory, now: number) {
    this.now = now;
    const { limits, relay, heard } = memory;
    const { boxes } = this;
    const charges = (this.#charges = new Charges(relay, memory.charges));
    const numbers = (this.numbers = new Numbers(memory.spareMailboxes));
    const mail = (this.mail = new Mail({ boxes, charges, numbers, told: memory.told, now }));
    const blobs = (this.blobs = new BlobTable({ relay, charges, now }));
    const accounts = (this.#accounts = new Accounts(boxes, numbers, memory.devices));
    const peers = (this.#peers = new Peers(charges, limits.peers));
    const groups = (this.#groups = new Groups({ boxes, charges, relay, limits, now }));
    const requests = (this.#requests = new Requests(boxes, memory.requestsSince));
    const statements = new Statements(charges);
    const keyPackages = new KeyPackages({ charges, relay, limits, now });
    const addresses = new Addresses(charges, limits);
    const invites = new Invites(now);
    const audit = new Audit(now);
    const allowances = new Allowances(now);
    const upkeep = (this.upkeep = new Upkeep(memory.days, now));
    requests.onAdd = (at) => upkeep.hasDayOf(at);
    groups.onForget = (ids) => statements.forget(ids);
    accounts.forgotten = () => groups.forgotten ?? [];
    mail.isWaiting = (mailbox, seq) => requests.wasWaiting(mailbox, seq);
    mail.onHold = (ids, body) => blobs.hold(ids, body);
    // Mail goes behind files, which it sets free as they are then; charges come last, when all is counted.
    this.#parts = [blobs, mail, accounts, boxes, requests, groups, statements, peers, keyPackages, addresses, invites];
    this.#parts.push(audit, allowances, upkeep, numbers, charges);
    const relays: Look = async (sql, keys) => learnRelays(memory, await sql(RELAYS, []), Math.max(...keys.map(Number)));
    this.#looks = Object.assign({ relays }, ...this.#parts.map(({ looks }) => looks)) as Record<string, Look>;
    this.tables = {
      limits,
      // What a mailbox has told another relay is not known here.
      heard: { get: (mailbox) => (boxes.get(mailbox)?.listener === relay ? heard.get(mailbox) : now) },
      isListening: (mailbox) => {
        const listener = boxes.get(mailbox)?.listener;
        if (listener === null || listener === undefined || listener === relay) return listener === relay;
        // One that has begun just now; of the others it is known whether they live.
        if (listener > memory.newestRelay) throw new Missing("relays", String(listener));
        return memory.living.has(listener);
      },
      accounts: accounts.tables,
      addresses: addresses.tables,
      invites: invites.tables,
      peers: peers.tables,
      groups: groups.tables,
      statements: statements.tables,
      requests: requests.tables,
      keyPackages: keyPackages.tables,
      mail: mail.tables,
      blobs: blobs.tables,
      audit: audit.tables,
      allowances: allowances.tables,
    };
  }

  /** Locks, and reads with later snapshots what those locks guard: one trip. */
  async begin(sql: Sql, hints: Hints): Promise<void> {
    const { groups, requests, pairs, received, highWaters, places, payers } = hints;
    await Promise.all([
      this.boxes.lock(sql, hints),
      this.#groups.read(sql, [...groups]),
      this.#requests.read(sql, requests),
      pairs.length > 0 ? this.#peers.read(sql, pairs) : undefined,
      received.length > 0 ? this.mail.reads.readReceived(sql, received) : undefined,
      highWaters.length > 0 ? this.mail.reads.readHighWater(sql, highWaters) : undefined,
      payers.length > 0 ? this.#charges.read(sql, payers) : undefined,
      this.numbers.prepare(sql, places),
    ]);
  }

  /** Reads what was missing. */
  async read(sql: Sql, missing: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    await Promise.all(
      [...missing].map(([name, keys]) => {
        const look = this.#looks[name];
        if (look === undefined) throw new Error(`Nothing reads "${name}"`);
        return look(sql, [...keys]);
      }),
    );
  }

  undo(): void {
    this.#statements = [];
    for (const part of this.#parts) part.undo();
  }

  /** Has a statement done with what is written: for what is no decision. */
  readonly sendLater: Send = (text, values) => void this.#statements.push([text, values]);

  /** Sends what was made. */
  write(send: Send): void {
    for (const part of this.#parts) part.write(send);
    for (const [text, values] of this.#statements) send(text, values);
  }

  committed(): void {
    this.#charges.committed();
    this.#accounts.committed();
    this.mail.committed();
    this.numbers.committed();
    this.upkeep.committed();
  }

  get added(): readonly Entry[] {
    return this.mail.added;
  }
}
