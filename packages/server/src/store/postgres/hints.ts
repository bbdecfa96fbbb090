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

/** Those of several decisions together, and the mailboxes that they turned out to need. */
export function allHints(items: Iterable<{ hints: Partial<Hints>; locks: Iterable<number> | undefined }>): Hints {
  const [mailboxes, names, groups] = [new Set<number>(), new Set<string>(), new Set<string>()];
  const [highWaters, payers] = [new Set<number>(), new Set<string>()];
  const requests: RequestKey[] = [];
  const received: Hints["received"][number][] = [];
  const pairs = new Map<string, Hints["pairs"][number]>();
  let places = 0;
  for (const { hints, locks = [] } of items) {
    addAll(mailboxes, hints.mailboxes);
    addAll(mailboxes, locks);
    addAll(names, hints.names);
    addAll(groups, hints.groups);
    addAll(highWaters, hints.highWaters);
    addAll(payers, hints.payers);
    for (const request of hints.requests ?? []) requests.push(request);
    for (const each of hints.received ?? []) received.push(each);
    for (const pair of hints.pairs ?? []) pairs.set(`${pair[0]} ${pair[1]}`, pair);
    places += hints.places ?? 0;
  }
  return {
    mailboxes: [...mailboxes],
    names: [...names],
    groups: [...groups],
    requests,
    pairs: [...pairs.values()],
    received,
    highWaters: [...highWaters],
    payers: [...payers],
    places,
  };
}

function addAll<T>(all: Set<T>, values: Iterable<T> = []): void {
  for (const value of values) all.add(value);
}
