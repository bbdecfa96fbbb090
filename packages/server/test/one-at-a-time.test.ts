// What relays look at now and then, and what comes while they look.
import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Hub } from "../src/delivery/hub.ts";
import { createLog } from "../src/log.ts";
import { startOffers } from "../src/offers.ts";
import { oneAtATime } from "../src/one-at-a-time.ts";
import { startRounds } from "../src/rounds.ts";
import type { RelayStore } from "../src/store/store.ts";

const log = createLog("silent", () => {});

/** Questions to a store, which are answered when the test says so. */
function questions<T>() {
  const open: ((answer: T) => void)[] = [];
  return {
    ask: async (): Promise<T> => new Promise((resolve) => open.push(resolve)),
    answer: async (answer: T): Promise<void> => {
      open.shift()?.(answer);
      for (let turns = 0; turns < 3; turns++) await turn();
    },
  };
}

test("what is asked for during a run is done by one more, however often it was asked for", async () => {
  const { ask, answer } = questions<void>();
  let count = 0;
  const failures: unknown[] = [];
  await using runs = oneAtATime(
    async () => {
      count += 1;
      await ask();
      if (count === 1) throw new Error("the first one");
    },
    (error) => failures.push(error),
  );
  for (let times = 0; times < 3; times++) runs.soon();
  await answer();
  expect([count, failures.length]).toEqual([2, 1]);
  await answer();
  expect(count).toBe(2);
  runs.soon();
  expect(count).toBe(3);
  await answer();
});

test("a round looks again at mailboxes of which something was missed while it went on", async () => {
  const changed = questions<[]>();
  let wakes = 0;
  const hub = { wakeAll: () => (wakes += 1), mailboxes: () => [] } as unknown as Hub;
  const store = { bus: {}, changed: changed.ask } as unknown as RelayStore;
  const rounds = startRounds({ store, hub, evict: () => {}, offersSoon: () => {}, log });
  onTestFinished(() => rounds[Symbol.asyncDispose]());
  rounds.soon();
  rounds.soon();
  expect(wakes).toBe(1);
  await changed.answer([]);
  expect(wakes).toBe(2);
  await changed.answer([]);
  expect(wakes).toBe(2);
});

test("a statement that comes while others are looked at is looked at, and taken by who listens meanwhile", async () => {
  const looks: (readonly number[])[] = [];
  const asked = questions<{ offers: []; next: number }>();
  const store = {
    offers: (newcomers: readonly number[]) => {
      looks.push(newcomers);
      return asked.ask();
    },
  } as unknown as RelayStore;
  const offers = startOffers(store, { hand: async () => true } as unknown as Hub, log, () => 0);
  onTestFinished(() => offers[Symbol.asyncDispose]());
  offers.soon();
  offers.soon();
  await asked.answer({ offers: [], next: Infinity });
  expect(looks).toEqual([[], []]);
  offers.listens(7);
  await asked.answer({ offers: [], next: Infinity });
  expect(looks).toEqual([[], [], [7]]);
  await asked.answer({ offers: [], next: Infinity });
  offers.listens(8);
  expect(looks).toHaveLength(3);
});
