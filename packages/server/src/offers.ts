import type { Hub } from "./delivery/hub.ts";
import type { Log } from "./log.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import type { RelayStore } from "./store/store.ts";

/** Who listens changes without a word to the store: those that nobody could take are offered again so often. Milliseconds. */
const LOOK_MS = 5_000;

interface Offers extends AsyncDisposable {
  /** A statement has come. */
  soon: () => void;
  /** A mailbox is listened to: who is there for moments takes them, too. */
  listens: (mailbox: number) => void;
}

/** Has members of teams that listen commit what others have signed. */
export function startOffers(store: RelayStore, hub: Hub, log: Log, clock: () => number): Offers {
  let isOver = false;
  let asked = 0;

  async function run(): Promise<void> {
    // However many are due: whoever has them wait without anybody to take them holds up no others.
    for (let next = 0; next <= clock() && !isOver;) {
      const come = newcomers.splice(0);
      const before = asked;
      const made = await store.offers(come).catch((error: unknown) => {
        // They are no less there when it is tried again.
        newcomers.push(...come);
        throw error;
      });
      for (const { mailbox, groupId, ...rest } of made.offers)
        void hub.hand(mailbox, { type: "statement", data: { group_id: groupId, ...rest } });
      ({ next } = made);
      // One that has come meanwhile may not be among those that were looked at.
      isWaiting = next < Infinity || asked !== before;
    }
  }

  const runs = oneAtATime(run, (error) => log.error({ err: error }, "statements of members cannot be offered"));

  function soon(): void {
    if (isOver) return;
    isWaiting = true;
    asked += 1;
    runs.soon();
  }

  /** Some wait, perhaps: those of before the start. */
  let isWaiting = true;
  const newcomers: number[] = [];
  const timer = setInterval(() => isWaiting && soon(), LOOK_MS);
  timer.unref();
  return {
    soon,
    listens(mailbox) {
      if (!isWaiting || isOver) return;
      newcomers.push(mailbox);
      soon();
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      clearInterval(timer);
      await runs[Symbol.asyncDispose]();
    },
  };
}
