import type { StoreOptions } from "../store/sqlite.ts";
import type { RelayStore } from "../store/store.ts";

/** A case of the acceptance suite: a sentence, and a promise that rejects if the store does not do it. */
export interface StoreCase {
  name: string;
  run(open: (options: StoreOptions) => RelayStore): Promise<void>;
}

export const relayStoreCases: StoreCase[] = [];
