/** The outbox's queue: what waits, for whom, in which order. */
import type { Flight } from "./flight.ts";
import { deleteRow, settle } from "./receipts.ts";
import { type ContactRecord, get, type OutboxRecord, pad } from "./records.ts";
import type { Turn } from "./turn.ts";

/** Nothing goes to a contact that is stopped: its messages fail, visibly, rather than leave later by surprise. */
export async function failAll(turn: Turn, flight: Flight, contact: ContactRecord): Promise<void> {
  for (const row of await queuedRows(turn, flight, contact.username, Number.MAX_SAFE_INTEGER))
    if (row.kind === "message") await settle(turn, row, "failed", contact.stopped);
    else await deleteRow(turn, row);
}

export async function endIfExpired(turn: Turn, row: OutboxRecord): Promise<boolean> {
  if (row.expires_at === undefined || row.expires_at > turn.now) return false;
  await settle(turn, row, "expired", "expired");
  return true;
}

/** Contacts with something in the queue, by skipping from one to the next. */
export async function contactsWithQueue(turn: Turn): Promise<string[]> {
  const names: string[] = [];
  for (let after: string | undefined; ;) {
    const [next] = await turn.tx.list({ prefix: "queue/", after, limit: 1 });
    if (next === undefined) return names;
    const name = next[0].split("/")[1] ?? "";
    names.push(name);
    after = `queue/${name}/~`;
  }
}

/** Rows that wait for this contact and are not under way, in order. */
export async function queuedRows(turn: Turn, flight: Flight, username: string, limit: number): Promise<OutboxRecord[]> {
  const prefix = `queue/${username}/`;
  const rows: OutboxRecord[] = [];
  const most = limit + flight.sends.size;
  for (const [key] of await turn.tx.list({ prefix, ...(Number.isSafeInteger(most) ? { limit: most } : {}) })) {
    const seq = Number(key.slice(prefix.length));
    if (rows.length >= limit) break;
    if (flight.sends.has(seq)) continue;
    const row = await get(turn.tx, "out/", pad(seq));
    if (row === undefined) await turn.tx.delete(key);
    else rows.push(row);
  }
  return rows;
}
