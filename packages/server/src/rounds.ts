import type { Context } from "./context.ts";
import type { Hub } from "./delivery/hub.ts";
import type { Log } from "./log.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { isShared } from "./store/shared.ts";
import type { RelayStore } from "./store/store.ts";

/** However well relays hear each other: what was lost is noticed so soon. Milliseconds. */
const INTERVAL_MS = 60_000;

interface Rounds extends AsyncDisposable {
  soon: () => void;
}

interface RoundsOptions {
  store: RelayStore;
  hub: Hub;
  evict: Context["evict"];
  /** Statements are looked for, too: whoever was told of one may be no more. */
  offersSoon: () => void;
  log: Log;
}

/** Looks now and then at all mailboxes of this relay's connections, since what other relays have said of them may be lost. */
export function startRounds({ store, hub, evict, offersSoon, log }: RoundsOptions): Rounds {
  if (!isShared(store)) return { soon: () => {}, [Symbol.asyncDispose]: async () => {} };
  const shared = store;

  async function run(): Promise<void> {
    hub.wakeAll();
    offersSoon();
    for (const { mailbox, username, what } of await shared.changed(hub.mailboxes())) {
      if (what === "unclaimed") hub.claim(mailbox);
      else evict({ mailbox, username }, what);
    }
  }

  const runs = oneAtATime(run, (error) => log.warn({ err: error }, "mailboxes cannot be looked at: it is tried again"));
  const timer = setInterval(runs.soon, INTERVAL_MS);
  timer.unref();
  return {
    soon: runs.soon,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await runs[Symbol.asyncDispose]();
    },
  };
}
