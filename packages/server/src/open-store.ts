import type { Config } from "./config/config.ts";
import type { StoreOptions } from "./store/options.ts";
import { openMemoryStore, openSqliteStore } from "./store/sqlite/sqlite.ts";
import type { RelayStore } from "./store/store.ts";

/** Longer than a command of an administrator holds the folder, and short beside a start. Milliseconds. */
const LOCK_PATIENCE_MS = 500;

/** The store that a configuration names. */
export async function openStore(
  { store, db, enginePatience }: Pick<Config, "store" | "db" | "enginePatience">,
  options: StoreOptions,
): Promise<RelayStore> {
  if (typeof store === "function") return store(options);
  if (store === "memory") return openMemoryStore(options);
  if (store === "sqlite") return openSqliteStore(db, { ...options, lockPatienceMs: LOCK_PATIENCE_MS });
  // A relay of its own does without the driver.
  const { openPostgresStore } = await import("./store/postgres/postgres.ts");
  const { clock: _, ...rest } = options;
  return openPostgresStore({ ...rest, url: store, enginePatience });
}
