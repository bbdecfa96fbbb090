import { hkdfSync, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod/mini";
import { AgentError } from "../errors.ts";
import { isBase64 } from "../protocol/index.ts";
import type { Base } from "../store/layer.ts";
import type { Range, Value } from "../store/store.ts";
import { checkNewPassphrase } from "../agent/new-passphrase.ts";
import { Kdf, newKdf } from "../crypto/passphrase.ts";
import { keyOf, seal, unseal } from "./passphrase.ts";
import { takeLink } from "./link-lock.ts";
import { isOfSeal, SEAL, SealedSet } from "./sealed-set.ts";
import { patiently } from "./sqlite-errors.ts";
import type { SqliteRecords } from "./sqlite-records.ts";

/** `set`: the records are an authentic set (see {@link SealedSet}); stores that were sealed earlier get it when they are opened. */
const Seal = z.object({ kdf: Kdf, data_key: z.string().check(z.refine(isBase64)), set: z.optional(z.literal(1)) });
type Seal = z.output<typeof Seal>;
/** The data key is sealed for this purpose: nobody makes a seal with a set one without. */
const purpose = ({ set }: Pick<Seal, "set">): string => (set === undefined ? SEAL : `${SEAL} 2`);

interface Opening {
  records: SqliteRecords;
  db: DatabaseSync;
  folder: string;
  readOnly: boolean;
  passphrase: string | undefined;
  /** A store that has no passphrase may get this one. */
  mayGet: boolean;
}

/**
 * Records whose values are sealed: under a key for each record, made of one data key (HKDF, RFC 5869), with the record's own
 * key as associated data, so that none can stand in another's place; which records there are, and in which version, is in
 * {@link SealedSet}. Keys and empty values are not secret.
 */
export class SealedRecords implements Base {
  readonly #records: SqliteRecords;
  readonly #dataKey: Uint8Array;
  readonly #set: SealedSet;

  private constructor(records: SqliteRecords, dataKey: Uint8Array, set: SealedSet) {
    this.#records = records;
    this.#dataKey = dataKey;
    this.#set = set;
  }

  /**
   * The records of a store as its passphrase opens them. An empty store gets the passphrase; one that has none, if `mayGet`:
   * what is there is sealed. Not else: a variable that was mistyped or left over would lock the agent up.
   * @throws AgentError wrong_passphrase (also if only one side has one), weak_passphrase, store_damaged
   */
  static async over({ records, db, folder, readOnly, passphrase, mayGet }: Opening): Promise<Base> {
    // In this order: another process may be about to give it one.
    const isNew = records.rows({ prefix: "", limit: 1 }).length === 0;
    let found = records.find(SEAL);
    if (found === undefined && passphrase === undefined) return unsealed(records);
    if (passphrase === undefined)
      throw new AgentError("wrong_passphrase", "this agent's store is sealed with a passphrase", {
        hint: "set AIMESSAGE_PASSPHRASE, or AIMESSAGE_PASSPHRASE_FILE",
      });
    if (found === undefined) {
      if (!mayGet && !isNew)
        throw new AgentError("wrong_passphrase", "this agent's store has no passphrase", {
          hint: "unset AIMESSAGE_PASSPHRASE and AIMESSAGE_PASSPHRASE_FILE, or seal the store with it: aimessage seal",
        });
      checkNewPassphrase(passphrase);
      await sealStore(records, db, passphrase, folder);
      found = records.find(SEAL);
    }
    const opened = readSeal(found as string);
    const key = await keyOf(passphrase, opened.kdf);
    const dataKey = unseal(key, Buffer.from(opened.data_key, "base64"), purpose(opened));
    if (dataKey === undefined)
      throw new AgentError("wrong_passphrase", "the passphrase is not the one of this agent's store", {
        hint: "check AIMESSAGE_PASSPHRASE, or AIMESSAGE_PASSPHRASE_FILE",
      });
    const set = new SealedSet(db, dataKey);
    if (opened.set === undefined && !readOnly)
      await patiently(() => addSet(records, db, set, sealOf(opened.kdf, key, dataKey)));
    if (opened.set !== undefined) await patiently(() => verified(db, set));
    return new SealedRecords(records, dataKey, set);
  }

  find(key: string): Value | undefined {
    const value = this.#records.find(key);
    return value === undefined || isOfSeal(key) ? undefined : this.#open(key, value);
  }

  rows(range: Range): [string, Value][] {
    return this.#records
      .rows(range)
      .filter(([key]) => !isOfSeal(key))
      .map(([key, value]) => [key, this.#open(key, value)]);
  }

  write(key: string, value: Value | undefined): boolean {
    const sealed = value === undefined ? undefined : sealValue(this.#dataKey, key, value);
    this.#set.change(key, sealed);
    return this.#records.write(key, sealed);
  }

  settled(): void {
    this.#set.settled();
  }

  undone(): void {
    this.#set.undone();
  }

  #open(key: string, value: Value): Value {
    if (value.length === 0) return value;
    const plain = typeof value === "string" ? undefined : unseal(recordKey(this.#dataKey, key), value, key);
    if (plain === undefined) throw new AgentError("store_damaged", `record ${key} of the store is damaged`);
    return plain[0] === TEXT ? plain.toString("utf8", 1) : new Uint8Array(plain.subarray(1));
  }
}

/** A process that goes on with a store that is sealed meanwhile would write what no other can read. */
function unsealed(records: SqliteRecords): Base {
  const settled = (): void => {
    if (records.find(SEAL) === undefined) return;
    throw new AgentError("wrong_passphrase", "this agent's store was sealed meanwhile", {
      hint: "begin again, with AIMESSAGE_PASSPHRASE or AIMESSAGE_PASSPHRASE_FILE set",
    });
  };
  return Object.assign(records, { settled });
}

const TEXT = 0;
const BYTES = 1;

/**
 * Gives a store its passphrase. A process that has opened it before would go on reading and writing what is not sealed, so
 * the agent has to be unused.
 */
async function sealStore(records: SqliteRecords, db: DatabaseSync, passphrase: string, folder: string): Promise<void> {
  const kdf = newKdf();
  const dataKey = randomBytes(32);
  const record = sealOf(kdf, await keyOf(passphrase, kdf), dataKey);
  const lock = await takeLink(folder, "seal", () => undefined);
  if (lock === undefined)
    throw new AgentError("store_busy", "another process uses this agent, which has no passphrase yet", {
      hint: "end it, and try again",
    });
  try {
    await patiently(() => sealAll(records, db, record, dataKey));
  } finally {
    await lock.release();
  }
}

function sealOf(kdf: Kdf, key: Uint8Array, dataKey: Uint8Array): string {
  const sealed = seal(key, dataKey, purpose({ set: 1 }));
  return JSON.stringify({ kdf, data_key: Buffer.from(sealed).toString("base64"), set: 1 } satisfies Seal);
}

/** Unless another process has done it: no value is left as it was. */
function sealAll(records: SqliteRecords, db: DatabaseSync, record: string, dataKey: Uint8Array): void {
  within(db, "IMMEDIATE", () => {
    if (records.find(SEAL) !== undefined) return;
    for (const [key, value] of records.rows({ prefix: "" })) records.write(key, sealValue(dataKey, key, value));
    records.write(SEAL, record);
    new SealedSet(db, dataKey).found();
  });
}

/** Unless another process has done it. What a store that was sealed without a set holds is taken as it is. */
function addSet(records: SqliteRecords, db: DatabaseSync, set: SealedSet, record: string): void {
  within(db, "IMMEDIATE", () => {
    if (readSeal(records.find(SEAL) as string).set !== undefined) return;
    records.write(SEAL, record);
    set.found();
  });
}

function verified(db: DatabaseSync, set: SealedSet): void {
  within(db, "DEFERRED", () => set.verify());
}

/** In one transaction. */
function within(db: DatabaseSync, kind: "IMMEDIATE" | "DEFERRED", work: () => void): void {
  db.exec(`BEGIN ${kind}`);
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function sealValue(dataKey: Uint8Array, key: string, value: Value): Value {
  if (value.length === 0) return value;
  const text = typeof value === "string";
  const plain = Buffer.concat([Buffer.of(text ? TEXT : BYTES), text ? Buffer.from(value) : value]);
  return seal(recordKey(dataKey, key), plain, key);
}

function recordKey(dataKey: Uint8Array, key: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", dataKey, "", `aimessage record 1 ${key}`, 32));
}

/** @throws AgentError store_damaged */
function readSeal(found: string): Seal {
  try {
    return Seal.parse(JSON.parse(found));
  } catch (cause) {
    throw new AgentError("store_damaged", "what seals this agent's store cannot be read", {
      hint: "restore it from a backup, or move the folder away and register again",
      cause,
    });
  }
}
