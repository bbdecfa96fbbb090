import { readAccount } from "../../src/records/own-account.ts";
import { Flight } from "../../src/delivery/flight.ts";
import { Cache, Turn } from "../../src/turn/turn.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import type { ClientStore, WriteTransaction } from "../../src/store/store.ts";

/** Runs turns over an agent's store, as a session does. The clock of their work stands still: a busy machine makes no less of it in one. */
export async function turns(store: ClientStore, clock: () => number = () => 0) {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const cache = new Cache();
  const run = <T>(work: (turn: Turn) => Promise<T>, over: (tx: WriteTransaction) => WriteTransaction = (tx) => tx) =>
    store.write(async (tx) => {
      const account = await readAccount(tx);
      if (account === undefined) throw new Error("no agent");
      const turn = new Turn(over(tx), crypto, account, cache, clock);
      const result = await work(turn);
      await turn.flush();
      return result;
    });
  return { run, cache, crypto };
}

/** A clock that stands still but for work: each look into the store, and each change, takes a millisecond. */
export function workClock() {
  let now = 0;
  const step = <T>(result: T): T => {
    now += 1;
    return result;
  };
  const counted = (tx: WriteTransaction): WriteTransaction => ({
    get: (key) => step(tx.get(key)),
    list: (range) => step(tx.list(range)),
    put: (key, value) => step(tx.put(key, value)),
    delete: (key) => step(tx.delete(key)),
  });
  return { clock: () => now, counted };
}

/** Of a connection on which nothing was sent, and nothing goes out. */
export function nothingUnderWay(): Flight {
  return new Flight(
    () => undefined,
    () => undefined,
  );
}
