import { BlockedGroups } from "../../src/store/blocked-groups.ts";
import { defaultLimits } from "../../src/config/limits.ts";
import { checkTables } from "../../src/store/postgres/check.ts";
import { openPostgresStore } from "../../src/store/postgres/postgres.ts";
import type { SharedStore } from "../../src/store/shared.ts";
import type { Entry, KeyAccount, NewDevice, Refused, TokenAccount } from "../../src/store/store.ts";
import { Dice } from "../dice.ts";
import { Ledger } from "./ledger.ts";

const HUGE = { mailboxMessages: 1e6, mailboxBytes: 1e12, accountBytes: 1e12, addressBytes: 1e12, noticeMessages: 1e6 };
const MANY = { handshakeMessages: 1e6, handshakeBytes: 1e12, unknownUserMessages: 1e6, addressAccounts: 1e6 };
const WHOLE = { messages: 1e6, bytes: 1e12 };

interface RaceOptions {
  url: string;
  /** By which each store reaches the engine. */
  urls: readonly string[];
  schema?: string;
  /** A look-up of a store that fails ends nothing: it may have been cut off. */
  isStormy?: boolean;
  /** Days go by: messages, requests, groups and packages get old. */
  isLong?: boolean;
}

/** Somebody with an account, and the connection by which it is at one of the stores. */
export interface Actor {
  name: string;
  /** Undefined: it is removed. */
  account: KeyAccount | TokenAccount | undefined;
  /** It has one mailbox and keeps it. */
  isSteady: boolean;
  store: number;
  /** As the relay's connection has it. */
  blocked: BlockedGroups;
  sent: number;
}

/** Several stores over one schema, with one clock, and what is known of all that was asked of them. */
export class Race implements AsyncDisposable {
  readonly dice: Dice;
  readonly ledger = new Ledger();
  readonly isStormy: boolean;
  readonly isLong: boolean;
  readonly stores: SharedStore[] = [];
  readonly dead = new Set<number>();
  readonly #url: string;
  readonly #schema: string;
  readonly #readers: Promise<void>[] = [];
  /** Unix ms, of all stores. It moves on whenever somebody looks. */
  now = Date.now();
  isOver = false;
  #numbers = 0;
  #isQuiet = false;

  private constructor({ url, schema = "race", isStormy = false, isLong = false }: RaceOptions, dice: Dice) {
    this.dice = dice;
    this.#url = url;
    this.#schema = schema;
    this.isStormy = isStormy;
    this.isLong = isLong;
  }

  static async open(options: RaceOptions, dice = new Dice()): Promise<Race> {
    const race = new Race(options, dice);
    const limits = { ...defaultLimits(), ...HUGE, ...MANY };
    // One after another, so that their numbers rise with their places.
    for (const url of options.urls)
      race.stores.push(await openPostgresStore({ url, schema: race.#schema, limits, clock: () => race.now++ }));
    return race;
  }

  /** One that lives. */
  get any(): SharedStore {
    return this.stores[this.anyNumber] as SharedStore;
  }

  get anyNumber(): number {
    return this.dice.of([...this.stores.keys()].filter((store) => !this.dead.has(store)));
  }

  /** No other text or id ends with it. */
  unique(): number {
    return ++this.#numbers;
  }

  device(name: string, counter: number, identity = name): NewDevice {
    const packages = Array.from({ length: 3 }, () => bytes(`package ${this.unique()}`));
    const device = { id: `${name}-${counter}`, key: bytes(`key ${name} ${counter}`), certificate: bytes("c"), counter };
    const rest = { keyPackages: packages, lastResort: bytes(`last ${name} ${counter}`), address: this.address(name) };
    return { username: name, identityKey: bytes(identity), device, ...rest };
  }

  address(name: string): string {
    return name.length % 2 === 0 ? "192.0.2.1" : "192.0.2.2";
  }

  actor(name: string, account: Actor["account"], isSteady: boolean): Actor {
    if (account !== undefined) this.follow(account.mailbox, name);
    return { name, account, isSteady, store: this.anyNumber, blocked: new BlockedGroups(), sent: 0 };
  }

  /** Has somebody read a mailbox from its beginning on, by any store, and acknowledge some of it. */
  follow(mailbox: number, name: string): void {
    if (this.ledger.logs.has(mailbox)) return;
    this.ledger.logs.set(mailbox, { name, entries: [] });
    this.#readers.push(this.#read(mailbox));
  }

  async #read(mailbox: number): Promise<void> {
    let cursor = 0;
    for (;;) {
      const wasQuiet = this.#isQuiet;
      const room = { messages: 1 + this.dice.below(20), bytes: 1e6 };
      const found = await this.calm(() => this.any.entries(mailbox, cursor, room), { entries: [], more: true });
      this.ledger.read(mailbox, cursor, found.entries);
      cursor = found.entries.at(-1)?.seq ?? cursor;
      if (wasQuiet && !found.more) return;
      const chance = this.dice.next();
      if (chance < 0.1) this.any.receivedSoon(mailbox, cursor, () => {});
      else if (chance < 0.3) await this.calm(() => this.any.received(mailbox, cursor), 0);
      await pause(this.#isQuiet ? 1 : 1 + this.dice.below(8));
    }
  }

  /** Asks, and in a storm takes no answer for an answer. */
  async calm<T, E>(ask: () => Promise<T>, otherwise: E): Promise<T | E> {
    try {
      return await ask();
    } catch (error) {
      if (!this.isStormy) this.ledger.find(String(error));
      this.ledger.count(`failed: ${String(error)}`);
      return otherwise;
    }
  }

  /** Does something again and again until the race is over. */
  async repeat(what: () => Promise<unknown>, most: number): Promise<void> {
    while (!this.isOver) {
      await this.calm(what, undefined);
      await pause(this.dice.below(most));
    }
  }

  /** Lets everybody come to an end. @returns what must not be */
  async judge(running: Promise<unknown>[]): Promise<string[]> {
    this.isOver = true;
    await Promise.all(running);
    this.#isQuiet = true;
    await Promise.all(this.#readers);
    // What was to be deleted soon is.
    await pause(30);
    for (const store of this.stores) if (!this.dead.has(this.stores.indexOf(store))) await store.depth();
    const left = new Map<number, Entry[]>();
    for (const mailbox of this.ledger.logs.keys())
      left.set(mailbox, (await this.any.entries(mailbox, 0, WHOLE)).entries);
    return [...this.ledger.judge(left), ...(await this.check())];
  }

  /** What the tables have that must not be, at this moment. */
  async check(): Promise<string[]> {
    const problems = await checkTables(this.#url, this.#schema);
    return problems.map(({ problem, count }) => `${problem}: ${count}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = this.#isQuiet = true;
    for (const store of this.stores) await store[Symbol.asyncDispose]();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** 32 bytes that stand for a key. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text.padEnd(32).slice(0, 32));
}

export function taken<T extends object>(result: T | Refused): T {
  if ("refused" in result) throw new Error(`refused: ${result.refused}`);
  return result;
}
