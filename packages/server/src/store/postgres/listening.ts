import { WaitingRoom } from "../../waiting-room.ts";
import { isAway, type Listening, type RelayStore, StorageError } from "../store.ts";
import type { Batch, Memory } from "./batch.ts";
import type { itemOf } from "./items.ts";
import type { Reads } from "./reads.ts";

/** How soon what the engine has not heard is said again. Milliseconds. */
const UNHEARD_MS = 1_000;

interface ListeningParts {
  ask: <T>(decide: (batch: Batch) => T, more: Parameters<typeof itemOf<T>>[1]) => Promise<T>;
  memory: Memory;
  reads: Reads;
  clock: () => number;
  logId: () => string;
  /** The engine takes nothing of this relay any more. */
  isFenced: () => boolean;
  /** Whether somebody else may be told: a relay, of a mailbox that was taken over. */
  superseded: (relay: number, mailbox: number, claim: number) => void;
}

/** Who has which mailbox, as all relays see it. */
export function listening({
  ask,
  memory,
  reads,
  clock,
  logId,
  isFenced,
  superseded,
}: ListeningParts): Pick<RelayStore, "listen" | "unlisten"> & { end: () => void } {
  let isOver = false;

  async function listen(mailbox: number): Promise<Listening> {
    let made: number | undefined;
    const taken = ask(
      ({ boxes, numbers, tables, now }) => {
        const box = boxes.get(mailbox);
        const claim = (made = numbers.place());
        const highWater = tables.mail.highWater(mailbox, now);
        if (box !== undefined) boxes.change(mailbox, { listener: memory.relay, claim });
        return { claim, highWater, lastRequest: box?.last_request ?? undefined, previous: box?.listener ?? undefined };
      },
      {
        hints: { mailboxes: [mailbox], highWaters: [mailbox], places: 1 },
        committed: ({ previous, claim }) => {
          // It may have been heard of by another relay lately.
          if (!memory.heard.has(mailbox)) memory.heard.set(mailbox, clock());
          if (previous !== undefined && previous !== memory.relay) superseded(previous, mailbox, claim);
        },
      },
    );
    const [{ claim, highWater, lastRequest }, keyPackages] = await Promise.all([taken, reads.countKeys(mailbox)]).catch(
      async (error: unknown) => {
        await taken.catch(() => {});
        // It may be in the tables all the same, of which nobody hears.
        if (made !== undefined) unlisten(mailbox, made).catch(() => {});
        throw error;
      },
    );
    // It was given under the lock of the mailbox: all that is in it has a lower place.
    return { logId: logId(), lastSeq: claim, highWater, keyPackages, lastRequest, claim };
  }

  const unheard = new WaitingRoom<() => void>({ lookMs: UNHEARD_MS, isOpen: () => true, go: (askAgain) => askAgain() });

  /** However long the engine is away: else who has left meanwhile would be said to listen for as long as this relay lives. */
  async function unlisten(mailbox: number, claim: number): Promise<boolean> {
    try {
      return await ask(
        ({ boxes }) => {
          const box = boxes.get(mailbox);
          const had = box?.listener === memory.relay && box.claim === claim;
          if (had) boxes.change(mailbox, { listener: null });
          return had;
        },
        { hints: { mailboxes: [mailbox] } },
      );
    } catch (error) {
      // Whoever buries this relay ends its listeners.
      if (isFenced()) return false;
      // A disk that is full has room again, too. With a relay that ends all that it has ends.
      const isForNow = isAway(error) || (error instanceof StorageError && error.reason === "storage_full");
      if (isOver || !isForNow) throw error;
      return new Promise((resolve) => unheard.add(() => resolve(unlisten(mailbox, claim))));
    }
  }

  return { listen, unlisten, end: () => void (isOver = true) };
}
