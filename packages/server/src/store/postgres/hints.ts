import type { Locks } from "./tables/boxes.ts";
import type { RequestKey } from "./tables/requests.ts";

/** What a decision is known to need, before it is made. What is not named here is read when it is missing. */
export interface Hints extends Locks {
  requests: readonly RequestKey[];
  /** Senders' mailboxes, and names of those to whom they write. */
  pairs: readonly (readonly [sender: number, to: string])[];
  received: readonly (readonly [mailbox: number, seq: number])[];
  highWaters: readonly number[];
  payers: readonly string[];
  /** How many places it may give. */
  places: number;
}

export const NO_HINTS: Hints = {
  mailboxes: [],
  names: [],
  groups: [],
  requests: [],
  pairs: [],
  received: [],
  highWaters: [],
  payers: [],
  places: 0,
};

function oncePaired(pairs: Hints["pairs"]): Hints["pairs"] {
  return [...new Map(pairs.map((pair) => [`${pair[0]} ${pair[1]}`, pair])).values()];
}

function once<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Those of several decisions together. */
export function allHints(hints: readonly Hints[]): Hints {
  const all = <K extends keyof Hints>(key: K): Hints[K] =>
    hints.flatMap((each) => each[key] as readonly unknown[]) as unknown as Hints[K];
  return {
    mailboxes: once(all("mailboxes")),
    names: once(all("names")),
    groups: once(all("groups")),
    requests: all("requests"),
    pairs: oncePaired(all("pairs")),
    received: all("received"),
    highWaters: once(all("highWaters")),
    payers: once(all("payers")),
    places: hints.reduce((sum, { places }) => sum + places, 0),
  };
}
