import type { DatabaseSync } from "node:sqlite";
import { DAY_MS } from "../days.ts";
import type { Body } from "../store.ts";

/** A file stays so long after the last entry that names it: whoever has acknowledged that and ended before it had the file comes again. Milliseconds. */
const KEPT_MS = DAY_MS;

export type Bodies = ReturnType<typeof bodiesTable>;

/** Texts that many entries share: each is kept once, and goes with the last entry that names it. */
export function bodiesTable(db: DatabaseSync, clock: () => number) {
  const insert = db.prepare("INSERT INTO bodies (text) VALUES (?)");
  const hold = db.prepare("UPDATE blobs SET held = ? WHERE id = ?");
  const isNamed = db.prepare("SELECT 1 FROM entries WHERE body = ? LIMIT 1");
  const remove = db.prepare("DELETE FROM bodies WHERE body = ?");
  // It is held still, by nothing that is there, and goes as one that expires.
  const letGo = db.prepare("UPDATE blobs SET held = -held, expires_at = ? WHERE held = ?");

  return {
    /** @param blobs Ids of the files that it names, which are kept as long as it is */
    add(text: string, blobs: string[]): Body {
      const id = Number(insert.run(text).lastInsertRowid);
      for (const blob of blobs) hold.run(id, blob);
      return { id, text };
    },

    /** Entries that have named it are gone: removes it if they were the last. */
    release(body: number): void {
      if (isNamed.get(body) !== undefined) return;
      remove.run(body);
      letGo.run(clock() + KEPT_MS, body);
    },
  };
}
