import type { Config } from "./config/config.ts";
import type { Log } from "./log.ts";
import type { Hindrance, RelayStore } from "./store/store.ts";

/** Says in the log why the relay takes nothing new, what to do, and when that is over: a line each time. */
export function storageLog(log: Log, { db }: Config): (hindrance: Hindrance | undefined) => void {
  const sentences = {
    storage_full: `the disk of ${db} is full but for what is kept (--reserve-bytes): new mail, registrations and keys are refused until mail is read, or there is room`,
    storage_lost: `the database in ${db} was deleted, moved or replaced: nothing new is stored; what was stored is in this process alone, where it can still be fetched; put it back, or stop this relay and restore a backup`,
  };
  return (hindrance) => {
    if (hindrance === undefined) log.warn("there is room again, and the database in its place: mail is taken");
    else log.error(sentences[hindrance]);
  };
}

/** Entries that were acknowledged and go with this process are not lost in silence. */
export async function sayWhatIsLost(store: RelayStore, log: Log): Promise<void> {
  if (store.hindrance() !== "storage_lost") return;
  const count = await store.depth();
  log.error(
    { count },
    "entries that were stored go with this process: the database was deleted, moved or replaced before",
  );
}
