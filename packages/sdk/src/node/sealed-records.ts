import { hkdfSync, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod/mini";
import { AgentError } from "../errors.ts";
import { isBase64 } from "../protocol/index.ts";
import type { Base } from "../store/layer.ts";
import type { Range, Value } from "../store/store.ts";
import { checkNewPassphrase, Kdf, keyOf, newKdf, seal, unseal } from "./passphrase.ts";
import { takeLink } from "./link-lock.ts";
import { patiently } from "./sqlite-errors.ts";
import type { SqliteRecords } from "./sqlite-records.ts";

/** Where the data key lies, sealed under the passphrase. No other record has such a key. */
const SEAL = "!seal";
const Seal = z.object({ kdf: Kdf, data_key: z.string().check(z.refine(isBase64)) });

/**
 * Records whose values are sealed: under a key for each record, made of one data key (HKDF, RFC 5869), with the record's own
 * key as associated data, so that none can stand in another's place. Keys and empty values are not secret.
 */
export class SealedRecords implements Base {
  readonly #records: SqliteRecords;
  readonly #dataKey: Uint8Array;

  private constructor(records: SqliteRecords, dataKey: Uint8Array) {
    this.#records = records;
    this.#dataKey = dataKey;
  }

  /**
   * The records of a store as its passphrase opens them. An empty store gets the passphrase; one that has none, if `mayGet`:
   * what is there is sealed. Not else: a variable that was mistyped or left over would lock the agent up.
   * @throws AgentError wrong_passphrase (also if only one side has one), weak_passphrase
   */
  static async over(
    records: SqliteRecords,
    db: DatabaseSync,
    passphrase: string | undefined,
    folder: string,
    mayGet: boolean,
  ): Promise<Base> {
    // In this order: another process may be about to give it one.
    const isNew = records.rows({ prefix: "", limit: 1 }).length === 0;
    let found = records.find(SEAL);
    if (found === undefined && passphrase === undefined) return records;
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
    const { kdf, data_key } = readSeal(found as string);
    const dataKey = unseal(await keyOf(passphrase, kdf), Buffer.from(data_key, "base64"), SEAL);
    if (dataKey === undefined)
      throw new AgentError("wrong_passphrase", "the passphrase is not the one of this agent's store", {
        hint: "check AIMESSAGE_PASSPHRASE, or AIMESSAGE_PASSPHRASE_FILE",
      });
    return new SealedRecords(records, dataKey);
  }

  find(key: string): Value | undefined {
    const value = this.#records.find(key);
    return value === undefined || key === SEAL ? undefined : this.#open(key, value);
  }

  rows(range: Range): [string, Value][] {
    return this.#records
      .rows(range)
      .filter(([key]) => key !== SEAL)
      .map(([key, value]) => [key, this.#open(key, value)]);
  }

  write(key: string, value: Value | undefined): boolean {
    return this.#records.write(key, value === undefined ? undefined : sealValue(this.#dataKey, key, value));
  }

  #open(key: string, value: Value): Value {
    if (value.length === 0) return value;
    const plain = typeof value === "string" ? undefined : unseal(recordKey(this.#dataKey, key), value, key);
    if (plain === undefined) throw new AgentError("store_damaged", `record ${key} of the store is damaged`);
    return plain[0] === TEXT ? plain.toString("utf8", 1) : new Uint8Array(plain.subarray(1));
  }
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
  const sealed = seal(await keyOf(passphrase, kdf), dataKey, SEAL);
  const record = JSON.stringify({ kdf, data_key: Buffer.from(sealed).toString("base64") });
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

/** In one transaction, unless another process has done it: no value is left as it was. */
function sealAll(records: SqliteRecords, db: DatabaseSync, record: string, dataKey: Uint8Array): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    if (records.find(SEAL) === undefined) {
      for (const [key, value] of records.rows({ prefix: "" })) records.write(key, sealValue(dataKey, key, value));
      records.write(SEAL, record);
    }
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
function readSeal(found: string): z.output<typeof Seal> {
  try {
    return Seal.parse(JSON.parse(found));
  } catch (cause) {
    throw new AgentError("store_damaged", "what seals this agent's store cannot be read", {
      hint: "restore it from a backup, or move the folder away and register again",
      cause,
    });
  }
}
