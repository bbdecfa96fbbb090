import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import { onTestFinished } from "vitest";
import { newKdf } from "../../src/crypto/passphrase.ts";
import { keyOf, seal } from "../../src/node/passphrase.ts";
import { SqliteStore } from "../../src/node/sqlite-store.ts";

/** A folder that is gone after the test. Its name has a space in it, as those of users have. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "aimessage store "));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed after the test. */
export async function openStore(folder: string, passphrase?: string): Promise<SqliteStore> {
  const store = await SqliteStore.open(folder, passphrase);
  onTestFinished(() => store.close());
  return store;
}

/** A store that is sealed in the manner of before there were sets, with a passphrase that costs nothing. */
export async function sealedBefore(passphrase: string): Promise<string> {
  const folder = newFolder();
  await (await SqliteStore.open(folder)).close();
  const kdf = { ...newKdf(), N: 1024 };
  const dataKey = Buffer.from(seal(await keyOf(passphrase, kdf), new Uint8Array(32), "!seal")).toString("base64");
  raw(folder, "INSERT INTO records VALUES ('!seal', ?)", JSON.stringify({ kdf, data_key: dataKey }));
  return folder;
}

/** Somebody else who can write the store's files. */
export function raw(folder: string, sql: string, ...values: SQLInputValue[]): Record<string, SQLOutputValue>[] {
  const db = new DatabaseSync(join(folder, "agent.db"));
  try {
    return db.prepare(sql).all(...values);
  } finally {
    db.close();
  }
}
