import type { GroupCrypto } from "../crypto/mls/group.ts";
import { TeamCrypto } from "../crypto/mls/team.ts";
import { fingerprint } from "../crypto/identity.ts";
import { fromBase64 } from "../protocol/index.ts";
import type { WriteTransaction } from "../store/store.ts";
import { type About, raiseAlert } from "../trust/alerts.ts";
import { Fault, isFromBelow } from "../records/fault.ts";
import type { Account } from "../records/own-account.ts";
import { get, parse, partsUnder, put, remove } from "../records/records.ts";
import type { InboxPolicy } from "../records/consent-records.ts";
import { tierOf } from "../records/tier.ts";
import { type Judged, judgedOf } from "../trust/guards.ts";
import { policyOf, standingOf } from "../trust/standing.ts";
import { Ahead } from "./ahead.ts";
import { Between } from "./between.ts";
import { Strangers } from "./strangers.ts";
import type { CommitRecord } from "../records/group-records.ts";
import type { ContactRecord } from "../records/tables.ts";
import { flushGroups, type Groups } from "./groups.ts";
import { Told } from "./told.ts";
import { Waste } from "./waste.ts";

/** How long a turn takes up more work. With what it has begun, and its commit, others wait for it twice as long at most. */
const TURN_MS = 100;
/** Reports of one that are counted where it is not known how many wait. */
const REPORTS_COUNTED = 64;
/** Ids of requests that are gone from the store and may be unanswered. */
const REMEMBERED = 64;

/**
 * What the link keeps in memory between turns, all of it read from the store: it is dropped whole when a transaction
 * fails.
 */
export class Cache {
  readonly groups: Groups = new Map();
  readonly between = new Between();
  readonly forks = new Told();
  /** When we give ourselves new keys in a team next, as far as is known. Our clock, Unix ms. */
  healsAt = 0;
  /** When groups in which we are stuck are looked at next, and when this began. By the clock of {@link Turn.ticks}. */
  stuckAt = 0;
  readonly begunAt = performance.now();
  /** What is awaited, and when it was counted last how long we have listened for it: see `listened`. */
  readonly listened = new Map<string, number>();
  /** In which epochs our groups were when the relay was asked last which ones we are in. */
  asked: ReadonlyMap<string, number> = new Map();
  readonly commits = new Map<string, CommitRecord>();
  readonly waste = new Waste();
  readonly strangers = new Strangers();
  /** Contacts, and members of teams, of whom not all reports are applied yet, and about how many wait. */
  readonly reporting = new Map<string, number>();
  /** Groups, and whom they serve, of which not all that was sent waits again yet, or has ended. */
  readonly again = new Map<string, string>();
  /** The last entry of our mailbox: when it was read (`performance.now()`), and stored, by the relay's clock (Unix ms). */
  arrived = { at: -Infinity, storedAt: 0 };

  clear(): void {
    this.groups.clear();
    this.between.clear();
    this.forks.clear();
    this.healsAt = 0;
    this.stuckAt = 0;
    this.listened.clear();
    this.commits.clear();
    this.reporting.clear();
    this.again.clear();
  }

  /** Whether something older than what waits for a contact, a team or one of its members is still to be put before it, or to end. */
  isHeld(contact: string): boolean {
    const team = contact.startsWith("@") ? contact.split(".")[0] : contact;
    for (const held of this.again.values()) if (held === contact || held === team) return true;
    return false;
  }

  async load(tx: WriteTransaction): Promise<void> {
    this.clear();
    for (const [key, value] of await tx.list({ prefix: "commit/" }))
      this.commits.set(key.slice("commit/".length), parse(key, value) as CommitRecord);
    await this.strangers.load(tx);
    for await (const contact of partsUnder(tx, "report/"))
      this.reporting.set(contact, (await tx.list({ prefix: `report/${contact}/`, limit: REPORTS_COUNTED })).length);
    for await (const group of partsUnder(tx, "again/")) {
      const record = await get(tx, "again/", group);
      if (record !== undefined) this.again.set(group, record.contact);
    }
  }
}

/**
 * One turn of the link: one write transaction in which everything that has arrived is processed and everything that waits
 * is encrypted. What the outside may see (`after`) happens when it is committed.
 */
export class Turn {
  readonly tx: WriteTransaction;
  readonly crypto: GroupCrypto;
  readonly teams: TeamCrypto;
  readonly account: Account;
  readonly cache: Cache;
  /** Our clock, Unix milliseconds. */
  readonly now: number;
  /** Milliseconds by a clock that nobody sets: for what is waited for in this process. */
  readonly ticks: number;
  /** The same clock, to be asked again. */
  readonly clock: () => number;
  readonly after: (() => void)[] = [];
  readonly consumed: Uint8Array[] = [];
  readonly ahead = new Ahead();
  /** Contacts of whom something readable has come: they are there, and have read. */
  readonly heard = new Set<string>();
  /** Messages that could not be read and of which a contact will be told, at most; where any have come in this turn. */
  readonly lost = new Map<string, number>();
  /** Keys of records, and of what was pushed, on which this turn has failed before: they are left alone now. */
  readonly aside = new Set<string>();
  /** Whether `now` may decide what cannot be taken back: what is too old, or worth nothing any more. */
  isTimeSure = true;
  /** It has to be replaced. */
  lastResortUsed = false;
  /** Work was left for the next turn, since the time of this one was over. */
  isCut = false;
  /** A commit of our own was applied: who had stolen the keys of before is locked out. */
  healed = false;
  /** Highest `seq` of our mailbox that is processed, and where the mailbox stood when this connection began to listen. */
  position: number;
  highWater = 0;
  readonly #judged = new Map<string, Judged>();
  readonly #strange = new Map<string, boolean>();
  #policy: InboxPolicy | undefined;
  readonly #contacts = new Map<string, { record: ContactRecord | undefined; dirty: boolean }>();

  constructor(
    tx: WriteTransaction,
    crypto: GroupCrypto,
    account: Account,
    cache: Cache,
    clock: () => number = () => performance.now(),
  ) {
    this.tx = tx;
    this.crypto = crypto;
    this.teams = TeamCrypto.over(crypto.primitives);
    this.account = account;
    this.cache = cache;
    this.now = Date.now();
    this.clock = clock;
    this.ticks = clock();
    this.position = account.relay.position;
  }

  /** Whether everything that waited when this connection began is processed. */
  get isCurrent(): boolean {
    return this.position >= this.highWater;
  }

  /** Relay's clock, Unix milliseconds: what `expires_at` on the wire is in. */
  get relayNow(): number {
    return this.now + this.account.relay.clock_offset;
  }

  /** Blames the record at `at` if `work` fails by itself, unless one inside is to blame, or the disk, or another process. */
  async on<T>(at: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // A record that is left alone already is not to blame once more, but what comes to it again.
      if (error instanceof Fault ? !this.aside.has(error.at) : isFromBelow(error)) throw error;
      throw new Fault(at, error);
    }
  }

  async contact(username: string): Promise<ContactRecord | undefined> {
    let entry = this.#contacts.get(username);
    if (entry === undefined) {
      entry = { record: await get(this.tx, "contact/", username), dirty: false };
      this.#contacts.set(username, entry);
    }
    return entry.record;
  }

  /** Whether the owner has neither written to somebody nor accepted or blocked it. */
  async isStranger(username: string): Promise<boolean> {
    const known = this.#strange.get(username);
    if (known !== undefined) return known;
    const is = (await standingOf(this.tx, username)) === undefined;
    this.#strange.set(username, is);
    return is;
  }

  /** Who may write to this agent. */
  async policy(): Promise<InboxPolicy> {
    return (this.#policy ??= await policyOf(this.tx));
  }

  /** The owner has let somebody in, in this turn. */
  letIn(record: ContactRecord): void {
    this.saveContact(record);
    this.#strange.set(record.username, false);
    const judged = this.#judged.get(record.username);
    if (judged !== undefined) judged.tier = tierOf(record, true);
  }

  /** Counts of the guards for somebody who writes to us, read once in a turn. */
  async judged(username: string): Promise<Judged> {
    let judged = this.#judged.get(username);
    if (judged === undefined) {
      const tier = tierOf(await this.contact(username), !(await this.isStranger(username)));
      this.#judged.set(username, (judged = await judgedOf(this.tx, username, tier)));
    }
    return judged;
  }

  forgetContact(username: string): void {
    this.#contacts.set(username, { record: undefined, dirty: true });
  }

  saveContact(record: ContactRecord): void {
    this.#contacts.set(record.username, { record, dirty: true });
  }

  async saveCommit(record: CommitRecord): Promise<void> {
    this.cache.commits.set(record.group, record);
    await put(this.tx, "commit/", record.group, record);
  }

  /** An id that the relay may name as our last request, although nothing here bears it any more. */
  async remember(id: string): Promise<void> {
    const known = String((await this.tx.get("meta/dropped")) ?? "").split(" ");
    await this.tx.put("meta/dropped", [...known, id].slice(-REMEMBERED).join(" "));
  }

  async removeCommit(group: string): Promise<void> {
    const commit = this.cache.commits.get(group);
    if (commit !== undefined) await this.remember(commit.commit_id);
    this.cache.commits.delete(group);
    await remove(this.tx, "commit/", group);
    await this.tx.delete(`next/${group}`);
  }

  /** To be asked before each piece of work of which there may be much: if there is no more time, it is left for the next turn. */
  mayGoOn(share = 1): boolean {
    if (this.clock() - this.ticks < share * TURN_MS) return true;
    this.isCut = true;
    return false;
  }

  /** Work for a contact that led to nothing, in {@link Waste}'s measure. */
  wasted(contact: string, work: number): void {
    this.cache.waste.add(contact, work, this.clock());
  }

  /** Whether a contact has caused so much of it that it is not read for now. */
  isSpent(contact: string): boolean {
    return this.cache.waste.isSpent(contact, this.clock());
  }

  /** Fingerprint of an identity key (base64) under a username: 52 characters. */
  fingerprintOf(username: string, identityKey: string): Promise<string> {
    return fingerprint(username, fromBase64(identityKey));
  }

  /** Tells the owner. Strangers and relays cause it, too: however often, it is one for each kind and contact. */
  alert(kind: string, contact: string | undefined, text: string, about?: About): Promise<void> {
    return raiseAlert(this.tx, this.now, { kind, contact, text, about });
  }

  /** Writes what the turn has changed in memory. `taken` is the last that the relay has said to have taken. */
  async flush(taken?: string): Promise<void> {
    for (const [username, { record, dirty }] of this.#contacts)
      if (dirty && record !== undefined) await put(this.tx, "contact/", username, record);
      else if (dirty) await remove(this.tx, "contact/", username);
    for (const [username, { heard }] of this.#judged) await put(this.tx, "heard/", username, heard);
    await flushGroups(this);
    await this.cache.strangers.save(this.tx);
    if (this.position !== this.account.relay.position || taken !== undefined) {
      const relay = await get(this.tx, "meta/relay");
      const last = taken === undefined ? {} : { last_taken: taken };
      if (relay !== undefined) await put(this.tx, "meta/relay", "", { ...relay, position: this.position, ...last });
    }
  }
}
