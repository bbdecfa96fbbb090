import type { DatabaseSync } from "node:sqlite";
import type { PastRequest, Work } from "../decisions/work.ts";
import { requestHash } from "../request-hash.ts";

/** How long a repeat is known as one, if there are no more than are remembered. */
const MEMORY_MS = 48 * 3600 * 1000;

/** The kind of requests of which only hashes are known. */
export const MOVED = "moved";

export type Requests = ReturnType<typeof requestsTable>;

/** What devices have sent: makes `send` and `commit` idempotent. */
export function requestsTable(db: DatabaseSync, capacity: number, clock: () => number) {
  const select = db.prepare(
    "SELECT digest, mailbox, seq, at, answer FROM requests WHERE sender = ? AND kind = ? AND id = ?",
  );
  const insert = db.prepare(
    "INSERT INTO requests (sender, kind, id, digest, mailbox, seq, at, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const selectLast = db.prepare("SELECT id FROM last_requests WHERE sender = ?");
  const putLast = db.prepare("INSERT OR REPLACE INTO last_requests VALUES (?, ?)");
  const removeLast = db.prepare("DELETE FROM last_requests WHERE sender = ?");
  // Rows are in the order of time, so the oldest are found without an index.
  const forget = db.prepare(
    `DELETE FROM requests WHERE number IN (SELECT number FROM requests ORDER BY number LIMIT ?1)
      AND (at < ?2 OR number <= (SELECT max(number) FROM requests) - ?3)`,
  );
  // Of those that came from a cluster the ids are hashes, and the kind says so: they are the oldest, and soon forgotten.
  const oldest = db.prepare("SELECT kind FROM requests ORDER BY number LIMIT 1").get();
  const hasMoved = oldest?.["kind"] === MOVED;

  return {
    find(sender: number, kind: "message" | "commit", id: string): PastRequest | undefined {
      const moved = (): unknown =>
        hasMoved ? select.get(sender, MOVED, Buffer.from(requestHash(kind, id)).toString("hex")) : undefined;
      const row = (select.get(sender, kind, id) ?? moved()) as (PastRequest & { answer: string | null }) | undefined;
      return row && { ...row, answer: row.answer ?? undefined };
    },
    add({ sender, kind, id, digest, mailbox, seq, at, answer }: Parameters<Work["requests"]["add"]>[0]): void {
      insert.run(sender, kind, id, digest, mailbox, seq, at, answer ?? null);
    },
    last(sender: number): string | undefined {
      return selectLast.get(sender)?.["id"] as string | undefined;
    },
    setLast(sender: number, id: string): void {
      putLast.run(sender, id);
    },
    removeLast(sender: number): void {
      removeLast.run(sender);
    },
    /** Forgets some of the old ones; returns how many. */
    sweep(limit: number): number {
      return Number(forget.run(limit, clock() - MEMORY_MS, capacity).changes);
    },
  };
}
