// What is pushed from memory, and what is read.
import { expect, test, vi } from "vitest";
import { Delivery, type DeliveryOptions, type Recipient } from "../src/delivery/delivery.ts";
import type { Entry } from "../src/store/store.ts";

const MAILBOX = 1;

function entryOf(seq: number, before?: number): Entry {
  const none = { device: undefined, sessionId: undefined, groupId: undefined, epoch: undefined, expiresAt: undefined };
  const rest = { from: "alice", kind: "application", message: "text", storedAt: 0, bytes: 10 } as const;
  const messageId = `m${seq}`;
  return { ...none, ...rest, seq, before, mailbox: MAILBOX, messageId, status: undefined, reason: undefined };
}

/** A mailbox that is pushed, what of it is on the disk, and the places that were pushed. */
async function pushing() {
  const stored: Entry[] = [];
  const pushed: number[] = [];
  const session = {
    login: { kind: "key" },
    write: (text: string) => pushed.push((JSON.parse(text) as { data: { seq: number } }).data.seq),
  } as unknown as Recipient;
  const store = {
    entries: async (_: number, after: number) => ({ entries: stored.filter(({ seq }) => seq > after), more: false }),
  };
  const rest = { inFlightMessages: 100, inFlightBytes: 10_000, clock: () => 0 };
  const listening = { mailbox: MAILBOX, logId: "log", claim: 1, highWater: 0 };
  const delivery = new Delivery(session, listening, { ...rest, store } as unknown as DeliveryOptions);
  await delivery.start();
  return { delivery, stored, pushed };
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
