/** How the records of an agent's store are read and written. What each kind means, by its prefix, stands in `tables.ts`. */
import { fromUtf8, utf8 } from "../protocol/index.ts";
import type { ReadTransaction, Value, WriteTransaction } from "../store/store.ts";
import { Fault } from "./fault.ts";
import type { Tables } from "./tables.ts";

type Table = keyof Tables;

/** A number as part of a key. */
export function pad(number: number): string {
  return String(number).padStart(16, "0");
}

export async function get<T extends Table>(tx: ReadTransaction, table: T, key = ""): Promise<Tables[T] | undefined> {
  const value = await tx.get(table + key);
  return value === undefined ? undefined : (parse(table + key, value) as Tables[T]);
}

/** @throws Fault if it cannot be read, which blames this record alone */
export function parse(key: string, value: Value): object {
  const record = readable(value);
  if (record === undefined) throw new Fault(key, new SyntaxError());
  return record;
}

/** As {@link get}, but what cannot be read is not there. */
export async function find<T extends Table>(tx: ReadTransaction, table: T, key = ""): Promise<Tables[T] | undefined> {
  const value = await tx.get(table + key);
  return value === undefined ? undefined : (readable(value) as Tables[T] | undefined);
}

/** The object that a text is; undefined if it is none. */
export function readable(value: Value): object | undefined {
  try {
    const record: unknown = JSON.parse(value as string);
    return typeof record === "object" && record !== null && !Array.isArray(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

export function put<T extends Table>(tx: WriteTransaction, table: T, key: string, record: Tables[T]): Promise<void> {
  return tx.put(table + key, JSON.stringify(record));
}

export function remove(tx: WriteTransaction, table: Table, key: string): Promise<void> {
  return tx.delete(table + key);
}

/** Without what cannot be read: that is set aside by the link when it comes to it. */
export async function list<T extends Table>(
  tx: ReadTransaction,
  table: T,
  range: { under?: string; after?: string; limit?: number; reverse?: boolean } = {},
): Promise<Tables[T][]> {
  const { under = "", after, ...rest } = range;
  const found = await tx.list({
    ...rest,
    prefix: table + under,
    after: after === undefined ? undefined : table + after,
  });
  return found.map(([, value]) => readable(value) as Tables[T]).filter((record) => record !== undefined);
}

/** Rows that are read at once. */
const PAGE = 64;

/** The rows under a prefix, in order, read some at a time: most readers stop early. Those that were passed may be deleted meanwhile. */
export async function* rowsUnder(
  tx: ReadTransaction,
  prefix: string,
  begun?: string,
  limit = PAGE,
): AsyncGenerator<[key: string, value: Value]> {
  for (let after = begun, page; ; after = page.at(-1)?.[0]) {
    page = await tx.list({ prefix, after, limit });
    yield* page;
    if (page.length < limit) return;
  }
}

/** The next part of the keys under a prefix, each once, in order: by skipping from one to the next. */
export async function* partsUnder(tx: ReadTransaction, prefix: string, behind?: string): AsyncGenerator<string> {
  for (let after = behind === undefined ? undefined : `${prefix}${behind}/~`; ;) {
    const [next] = await tx.list({ prefix, after, limit: 1 });
    if (next === undefined) return;
    const [part = ""] = next[0].slice(prefix.length).split("/");
    yield part;
    after = `${prefix}${part}/~`;
  }
}

/** The next number of a sequence that never repeats. */
export async function nextSeq(
  tx: WriteTransaction,
  sequence: "out" | "in" | "alert" | "report" | "op" | "team-news",
): Promise<number> {
  const key = `meta/next-${sequence}`;
  const seq = Number((await tx.get(key)) ?? "1");
  await tx.put(key, String(seq + 1));
  return seq;
}

/** Bytes of a record that is kept as bytes, or as text where it is valid UTF-8. */
export function toBytes(value: Value): Uint8Array {
  return typeof value === "string" ? utf8(value) : value;
}

/** Bodies are kept as text where they are text: smaller, and readable by whoever looks into the store. */
export function fromBody(body: Uint8Array): Value {
  const text = fromUtf8(body);
  // SQLite's text ends at a NUL for some of its functions; bytes have no such trap.
  return text === undefined || text.includes("\0") ? body : text;
}
