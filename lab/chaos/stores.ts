import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type ReadTransaction, SqliteStore } from "@aimessage/sdk/node";
import { readBooks, type Received, type Sent } from "../shared/books.ts";

/** More than can arrive between two looks. */
const NEWEST = 1_000;

/**
 * Whether a recipient has a message, as one of the newest in its inbox, or could not read it, and its word of that is still
 * on its way to the sender.
 */
export async function hasReceived(folder: string, id: string): Promise<boolean> {
  await using store = await SqliteStore.open(folder);
  return store.read(async (tx) => {
    const rows = await tx.list({ prefix: "in/", reverse: true, limit: NEWEST });
    return rows.some(([, value]) => (JSON.parse(value as string) as Received).id === id) || owesWord(tx, id);
  });
}

async function owesWord(tx: ReadTransaction, id: string): Promise<boolean> {
  const named = new RegExp(`"${id}(--\\d+)?"`);
  const lost = (await tx.list({ prefix: "owed/" })).map(([key]) => key.split("/"));
  if (lost.some(([, , kind, what]) => kind === "lost" && named.test(`"${what}"`))) return true;
  const words: (string | Uint8Array)[] = [];
  for (const [key, value] of await tx.list({ prefix: "out/" })) {
    const { kind, state } = JSON.parse(value as string) as Sent & { kind: string };
    if (kind !== "receipt" || (state !== "queued" && state !== "stored")) continue;
    const body = await tx.get(key.replace("out/", "out-body/"));
    if (body !== undefined) words.push(body);
  }
  return words.some((word) => {
    const { undecryptable } = JSON.parse(Buffer.from(word).toString()) as { undecryptable?: unknown };
    return named.test(JSON.stringify(undecryptable ?? []));
  });
}

/** Whether a message waits in its sender's outbox, to be sent again. */
export async function isQueued(folder: string, id: string): Promise<boolean> {
  const { sent } = await readBooks(folder);
  return sent.get(id)?.state === "queued";
}

/** What SQLite says of a database: "ok". */
export function integrity(folder: string, file: string): string {
  const db = new DatabaseSync(join(folder, file), { timeout: 1000 });
  try {
    return Object.values(db.prepare("PRAGMA integrity_check").get() ?? {}).join();
  } finally {
    db.close();
  }
}
