/** Rows as they are written, for any process that looks. */
import type { ClientStore, ReadTransaction, Value } from "../store/store.ts";

/**
 * Calls `listener` with each row that comes under a prefix from now on, in the order of their keys, which rise.
 * @param read what is made of a row; undefined: it is passed over
 */
export function followRows<T>(
  store: ClientStore,
  prefix: string,
  read: (tx: ReadTransaction, value: Value) => Promise<T | undefined>,
  listener: (row: T) => void,
): () => void {
  let last: string | undefined;
  let tail: Promise<void> = Promise.resolve();
  const look = async (quietly: boolean) => {
    const rows = await store.read(async (tx) => {
      const news = await tx.list({ prefix, after: last });
      last = news.at(-1)?.[0] ?? last;
      return quietly ? [] : Promise.all(news.map(([, value]) => read(tx, value)));
    });
    for (const row of rows) if (row !== undefined) listener(row);
  };
  const next = (quietly: boolean) => {
    tail = tail.then(() => look(quietly)).catch(() => undefined);
  };
  next(true);
  return store.onChange(() => next(false));
}
