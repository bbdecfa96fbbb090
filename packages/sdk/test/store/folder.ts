import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { SqliteStore } from "../../src/node/sqlite-store.ts";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Runs after the test, last in first out. */
export function later(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}

/** A folder that is gone after the test. Its name has a space in it, as those of users have. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "aimessage store "));
  later(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store that is closed after the test. */
export async function openStore(folder: string, passphrase?: string): Promise<SqliteStore> {
  const store = await SqliteStore.open(folder, passphrase);
  later(() => store.close());
  return store;
}
