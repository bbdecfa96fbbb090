import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { AgentError } from "../errors.ts";
import type { Value } from "../store/store.ts";
import { RECORDS } from "./sqlite-open.ts";
import { NONCE_BYTES, seal, unseal } from "./passphrase.ts";

/** Where the data key lies, sealed under the passphrase, and the root of the set. No other records have such keys. */
export const SEAL = "!seal";
const ROOT = "!root";
/** Whether a record is the seal's own, and none of the store's. */
export const isOfSeal = (key: string): boolean => key.startsWith("!");
const ROOT_BYTES = 32;

/**
 * Which records a sealed store holds, and in which version. Each sealed record is authentic by itself, but one that is missing, or
 * an old one that was put back, is not noticed by that: the set of them has to be authentic, too.
 *
 * It is by one root: the XOR of a PRF of each record (HMAC-SHA-256, RFC 2104, under a key of its own), sealed by AES-256-GCM
 * and written in the same transaction as the records. This is the set hash MSet-XOR-Hash of Clarke, Devadas, van Dijk, Gassend and Suh
 * (Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking, ASIACRYPT 2003), with encryption instead of
 * a mask: a record that changes costs two PRFs, however many there are.
 *
 * What of a record goes into the PRF is its key and its nonce. A nonce is random for each write, so under one record's key the
 * writer has made one ciphertext with it, and GCM lets nobody make another: the nonce stands for the version. Of an empty value, which
 * is not sealed, it is what kind it is.
 *
 * Why that holds: to be taken, another set of records has to have the same XOR as the one that was there, so the PRFs of all that is in
 * one and not in the other have to cancel out. To who has no key they are independent random strings of 256 bits that are
 * never shown, nor is any sum of them, and a wrong guess says nothing but that it was wrong. An old root fits the records of its moment
 * alone: that is an old copy of the whole store, which the relay's login counter tells.
 */
export class SealedSet {
  readonly #db: DatabaseSync;
  readonly #elementKey: KeyObject;
  readonly #rootKey: Uint8Array;
  readonly #one: StatementSync;
  readonly #all: StatementSync;
  readonly #root: StatementSync;
  readonly #write: StatementSync;
  /** While a transaction writes: the root as it will be. */
  #pending: Buffer | undefined;

  constructor(db: DatabaseSync, dataKey: Uint8Array) {
    this.#db = db;
    this.#elementKey = createSecretKey(derive(dataKey, "set"));
    this.#rootKey = derive(dataKey, "root");
    // SQLite gives NULL for a part of no bytes.
    const head = `coalesce(substr(value, 1, ${NONCE_BYTES}), x'') AS head`;
    this.#one = db.prepare(`SELECT ${head} FROM records WHERE key = ?`);
    this.#all = db.prepare(`SELECT key, ${head} FROM records WHERE key NOT IN ('${SEAL}', '${ROOT}') ORDER BY key`);
    this.#root = db.prepare("SELECT value FROM records WHERE key = ?");
    this.#write = db.prepare("INSERT OR REPLACE INTO records (key, value) VALUES (?, ?)");
  }

  /** Within the transaction that changes a record, before that. `sealed`: what will be there; undefined: nothing. */
  change(key: string, sealed: Value | undefined): void {
    this.#pending ??= this.#read();
    const before = this.#one.get(key)?.["head"] as Value | undefined;
    if (before !== undefined) this.#toggle(this.#pending, key, before);
    if (sealed !== undefined) this.#toggle(this.#pending, key, sealed);
  }

  /** Within the transaction, once all is changed. */
  settled(): void {
    if (this.#pending !== undefined) this.#put(this.#pending);
    this.#pending = undefined;
  }

  /** The transaction was undone. */
  undone(): void {
    this.#pending = undefined;
  }

  /** Makes the root of the records as they are. Within the transaction that seals them. */
  found(): void {
    this.#put(this.#sum());
  }

  /**
   * Within one snapshot, so that it is one state of the store that is looked at.
   * @throws AgentError store_damaged if the records are not those that were written, or not found by their keys
   */
  verify(): void {
    const schema = this.#db.prepare("SELECT sql FROM sqlite_schema").all();
    // Nothing else may have a say: a trigger, an index that leaves something out, or a view in the table's place.
    const isOurs = schema.length === 1 && schema[0]?.["sql"] === `CREATE TABLE ${RECORDS}`;
    if (!isOurs || !this.#read().equals(this.#sum())) throw altered();
  }

  #sum(): Buffer {
    const sum = Buffer.alloc(ROOT_BYTES);
    let last = "";
    for (const row of this.#all.iterate()) {
      const key = row["key"] as string;
      // In a tree that is out of order a search would miss a record that is there.
      if (key <= last) throw altered();
      this.#toggle(sum, key, row["head"] as Value);
      last = key;
    }
    return sum;
  }

  #toggle(sum: Buffer, key: string, value: Value): void {
    const version = value.length === 0 ? typeof value : value.slice(0, NONCE_BYTES);
    // Keys are ASCII without NUL, so that no two records are written alike.
    const element = createHmac("sha256", this.#elementKey).update(`${key}\0`).update(version).digest();
    for (let index = 0; index < ROOT_BYTES; index++) sum[index] = (sum[index] ?? 0) ^ (element[index] ?? 0);
  }

  #read(): Buffer {
    const sealed = this.#root.get(ROOT)?.["value"] as Value | undefined;
    const root = sealed instanceof Uint8Array ? unseal(this.#rootKey, sealed, ROOT) : undefined;
    if (root?.length !== ROOT_BYTES) throw altered();
    return root;
  }

  #put(sum: Buffer): void {
    this.#write.run(ROOT, seal(this.#rootKey, sum, ROOT));
  }
}

function derive(dataKey: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", dataKey, "", `aimessage ${use} 1`, 32));
}

function altered(): AgentError {
  return new AgentError("store_damaged", "records of the store were removed, or put back as they had been before", {
    hint: "somebody else has written to its files: move the folder away, and restore the agent from a backup",
  });
}
