/** Records in a database of the browser (Indexed Database API 3.0, https://www.w3.org/TR/IndexedDB-3/). */
import { AgentError } from "../errors.ts";
import type { Range, ReadTransaction, Value } from "../store/store.ts";

const RECORDS = "records";
/** No key has such a character: all with a prefix lie below the prefix and it. */
const HIGHEST = "\uffff";

/** @throws AgentError store_newer, store_damaged, disk_full */
export async function openRecords(name: string): Promise<IDBDatabase> {
  const opening = indexedDB.open(name, 1);
  opening.addEventListener("upgradeneeded", () => opening.result.createObjectStore(RECORDS));
  return answer(opening);
}

/**
 * Reads what lies there, for as long as nobody writes: that is for the caller to see to. A transaction of the browser ends when
 * something else is awaited in between; then the next look begins another one.
 */
export class Records implements ReadTransaction {
  readonly #database: IDBDatabase;
  #transaction: IDBTransaction | undefined;

  constructor(database: IDBDatabase) {
    this.#database = database;
  }

  async get(key: string): Promise<Value | undefined> {
    return answer(this.#ask((records) => records.get(key) as IDBRequest<Value | undefined>));
  }

  async list(range: Range): Promise<[string, Value][]> {
    const between = boundsOf(range);
    if (between === undefined || range.limit === 0) return [];
    if (range.reverse === true && range.limit !== undefined) return this.#last(range.limit, between);
    let keys: IDBRequest<IDBValidKey[]> | undefined;
    const values = this.#ask((records) => {
      keys = records.getAllKeys(between, range.limit);
      return records.getAll(between, range.limit) as IDBRequest<Value[]>;
    });
    const found = await answer(values);
    const rows = found.map((value, at): [string, Value] => [keys?.result[at] as string, value]);
    return range.reverse === true ? rows.reverse() : rows;
  }

  /** From the end only one after another can be asked for. */
  #last(limit: number, between: IDBKeyRange): Promise<[string, Value][]> {
    const rows: [string, Value][] = [];
    const asking = this.#ask((records) => records.openCursor(between, "prev"));
    return new Promise((resolve, reject) => {
      asking.addEventListener("error", () => reject(explained(asking.error)));
      asking.addEventListener("success", () => {
        const cursor = asking.result;
        if (cursor !== null) rows.push([cursor.key as string, cursor.value as Value]);
        if (cursor === null || rows.length === limit) resolve(rows);
        else cursor.continue();
      });
    });
  }

  #ask<T>(ask: (records: IDBObjectStore) => IDBRequest<T>): IDBRequest<T> {
    try {
      if (this.#transaction !== undefined) return ask(this.#transaction.objectStore(RECORDS));
    } catch {
      // It has ended.
    }
    try {
      this.#transaction = this.#database.transaction(RECORDS, "readonly");
      return ask(this.#transaction.objectStore(RECORDS));
    } catch (error) {
      throw explained(error);
    }
  }
}

/** Writes changes, and resolves when they are on disk. @throws AgentError disk_full, store_damaged: then nothing is written */
export function writeRecords(database: IDBDatabase, changes: Iterable<[string, Value | undefined]>): Promise<void> {
  return new Promise((resolve, reject) => {
    let transaction: IDBTransaction | undefined;
    try {
      const begun = (transaction = database.transaction(RECORDS, "readwrite", { durability: "strict" }));
      begun.addEventListener("complete", () => resolve());
      begun.addEventListener("abort", () => reject(explained(begun.error)));
      const records = begun.objectStore(RECORDS);
      for (const [key, value] of changes)
        if (value === undefined) records.delete(key);
        else records.put(value, key);
      begun.commit();
    } catch (error) {
      // What was put before would be committed by itself.
      transaction?.abort();
      reject(explained(error));
    }
  });
}

function answer<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.addEventListener("success", () => resolve(asked.result));
    asked.addEventListener("error", () => reject(explained(asked.error)));
  });
}

/** Keys of a range; undefined if there can be none. */
function boundsOf({ prefix, after, reverse }: Range): IDBKeyRange | undefined {
  const end = prefix + HIGHEST;
  const whole = IDBKeyRange.bound(prefix, end);
  if (after === undefined) return whole;
  if (reverse === true) {
    if (after <= prefix) return undefined;
    return after > end ? whole : IDBKeyRange.bound(prefix, after, false, true);
  }
  if (after >= end) return undefined;
  return after < prefix ? whole : IDBKeyRange.bound(after, end, true, false);
}

function explained(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === "QuotaExceededError")
    return new AgentError("disk_full", "the browser gives this page no more room", {
      hint: "make room on the disk, or let the page keep more in the browser's settings",
      cause: error,
    });
  if (name === "VersionError")
    return new AgentError("store_newer", "this agent's store was made by a newer version of this page", {
      hint: "reload the page",
      cause: error,
    });
  return new AgentError("store_damaged", `the browser's database cannot be used: ${message} (${name})`, {
    hint: "reload the page; if its data was cleared, restore the agent from a backup",
    cause: error,
  });
}
