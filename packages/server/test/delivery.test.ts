// What is pushed from memory, and what is read.
import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { Delivery, type DeliveryOptions, type Recipient } from "../src/delivery/delivery.ts";
import { type Entry, StorageError } from "../src/store/store.ts";
import { WaitingRoom } from "../src/waiting-room.ts";

const MAILBOX = 1;

function entryOf(seq: number, before?: number): Entry {
  const none = { device: undefined, sessionId: undefined, groupId: undefined, epoch: undefined, expiresAt: undefined };
  const rest = { from: "alice", kind: "application", message: "text", storedAt: 0, bytes: 10 } as const;
  const messageId = `m${seq}`;
  return { ...none, ...rest, seq, before, mailbox: MAILBOX, messageId, status: undefined, reason: undefined };
}

/** A mailbox that is pushed, what of it is on the disk, and the places that were pushed. */
async function pushing(onAway: (delivery: Delivery) => void = () => {}) {
  const stored: Entry[] = [];
  const pushed: number[] = [];
  const ended: string[] = [];
  /** What the store says instead of what is on the disk. */
  const failing: { error: Error | undefined } = { error: undefined };
  const session = {
    login: { kind: "key" },
    write: (text: string) => pushed.push((JSON.parse(text) as { data: { seq: number } }).data.seq),
    close: (_: number, reason: string) => ended.push(reason),
  } as unknown as Recipient;
  const store = {
    entries: async (_: number, after: number) => {
      if (failing.error !== undefined) throw failing.error;
      return { entries: stored.filter(({ seq }) => seq > after), more: false };
    },
  };
  const onError = ({ message }: Error): void => void ended.push(message);
  const rest = { inFlightMessages: 100, inFlightBytes: 10_000, clock: () => 0, onAway, onError };
  const listening = { mailbox: MAILBOX, logId: "log", claim: 1, highWater: 0 };
  const delivery = new Delivery(session, listening, { ...rest, store } as unknown as DeliveryOptions);
  await delivery.start();
  return { delivery, stored, pushed, failing, ended };
}

test("an entry is not pushed ahead of one that another relay has stored, of which nothing was heard yet", async () => {
  const { delivery, stored, pushed } = await pushing();
  stored.push(entryOf(1), entryOf(2));
  delivery.stored(entryOf(2, 1));
  await vi.waitFor(() => expect(pushed).toEqual([1, 2]));
  delivery.stored(entryOf(3, 2));
  expect(pushed).toEqual([1, 2, 3]);
});

test("an entry that was read is not pushed once more when it is announced", async () => {
  const { delivery, stored, pushed } = await pushing();
  stored.push(entryOf(1));
  delivery.wake();
  await vi.waitFor(() => expect(pushed).toEqual([1]));
  delivery.stored(entryOf(1, 0));
  delivery.stored(entryOf(2, 1));
  expect(pushed).toEqual([1, 2]);
});

test("a connection outlives a store that is away, and gets its mail when that is back", async () => {
  let isBack = false;
  const room = new WaitingRoom<Delivery>({ lookMs: 1, isOpen: () => isBack, go: (delivery) => delivery.wake() });
  const { stored, pushed, failing, ended, delivery } = await pushing((away) => room.add(away));
  failing.error = new StorageError("internal", new Error("no answer"), true);
  stored.push(entryOf(1));
  delivery.wake();
  await delay(20);
  expect([pushed, ended]).toEqual([[], []]);
  failing.error = undefined;
  isBack = true;
  await vi.waitFor(() => expect(pushed).toEqual([1]));
});

test("a connection whose mailbox cannot be read for another reason is ended, and the log has the reason", async () => {
  const { failing, ended, delivery } = await pushing();
  failing.error = new Error("malformed");
  delivery.wake();
  await vi.waitFor(() => expect(ended).toEqual(["malformed", "internal"]));
});
