import type { Bus } from "./bus.ts";
import type { RelayStore } from "./store.ts";

/** A store that several relays share: what connects them, and what is known of its engine. */
export interface SharedStore extends RelayStore {
  readonly bus: Bus;
  /** Unix milliseconds by the engine's clock, which all relays share. */
  readonly clock: () => number;
  /** The engine was heard of just now. */
  readonly isReady: boolean;
}

export function isShared(store: RelayStore): store is SharedStore {
  return "bus" in store;
}
