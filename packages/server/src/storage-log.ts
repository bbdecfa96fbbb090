import type { Config } from "./config/config.ts";
import type { Log } from "./log.ts";
import type { SharedStore } from "./store/shared.ts";
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

/** How often it is looked whether the engine of a cluster was heard of. Milliseconds. */
const LOOK_MS = 1_000;

/** Says in the log that the engine of a cluster is away, what that means, and when it is back: a line each time. */
export function engineLog(store: Pick<SharedStore, "isReady">, log: Log, { enginePatience }: Config): Disposable {
  let awaySince: number | undefined;
  const timer = setInterval(() => {
    if (store.isReady === (awaySince === undefined)) return;
    if (awaySince === undefined) {
      awaySince = performance.now();
      const seconds = Math.round(enginePatience / 1000);
      log.error(
        `PostgreSQL does not answer: this relay is not ready, and what is asked of it waits for up to ${seconds} s`,
      );
    } else {
      const seconds = Math.round((performance.now() - awaySince) / 1000);
      log.warn(`PostgreSQL answers again, ${seconds} s later`);
      awaySince = undefined;
    }
  }, LOOK_MS);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
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
