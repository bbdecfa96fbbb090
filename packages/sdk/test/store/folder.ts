import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
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
