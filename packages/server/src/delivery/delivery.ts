import { type Entry, isAway, type Listening, type RelayStore } from "../store/store.ts";
import type * as z from "zod/mini";
import { closeCodes, type RelayFrameType, type relayFrames, type WireReason } from "@aimessage/sdk/protocol";
import type { Login } from "./login.ts";
import { deliveryFrame, type SharedFrame } from "./delivery-frame.ts";
import { stubOf } from "../store/stub.ts";

export type FrameData<T extends RelayFrameType> = z.input<(typeof relayFrames)[T]>;

/** A connection that mail is pushed to. */
export interface Recipient {
  readonly isOpen: boolean;
  login: Login | undefined;
  delivery: Delivery | undefined;
  /** Bytes that the client has not read yet. */
  readonly unread: number;
  /** Sends a frame that answers nothing. */
  push<T extends RelayFrameType>(type: T, data: FrameData<T>): void;
  /** Sends what is a frame already. */
  write(frame: string | SharedFrame): void;
  /** Pings with a place in the mailbox, once a turn: its pong acknowledges. [P-5.4] */
  pingUpTo(seq: number): void;
  /** Says that another connection has the mailbox now. [P-5.6] */
  superseded(): void;
  close(code: (typeof closeCodes)[keyof typeof closeCodes], reason: WireReason): void;
}

export interface DeliveryOptions {
  store: RelayStore;
  inFlightMessages: number;
  inFlightBytes: number;
  clock: () => number;
  /** Told of an entry that has expired before it could be pushed. */
  onExpired: () => void;
  /** Told, when a push ends, how many bytes of it were not acknowledged: they are read and pushed again. */
  onUnread: (session: Recipient, bytes: number) => void;
  /** Told that the store is away for a while: the delivery is to be woken when it is back. */
  onAway: (delivery: Delivery) => void;
  /** Told of a store that cannot be read. */
  onError: (error: unknown) => void;
}

/** A mailbox as it was when the connection had it. */
export interface Pushed extends Pick<Listening, "logId" | "claim" | "highWater"> {
  mailbox: number;
}

/**
 * Pushes one mailbox to one connection, oldest first, at most so much ahead of the acknowledgements. Entries that arrive
 * while everything before them is pushed go out from memory; all others are read from the store. [P-5]
 */
export class Delivery {
  readonly mailbox: number;
  readonly session: Recipient;
  /** Of the log whose places are pushed and acknowledged. */
  readonly logId: string;
  /** That with which it began: by it the store knows who has the mailbox. */
  readonly claim: number;
  readonly #options: DeliveryOptions;
  /** Everything up to here was pushed, or needs not be. */
  #cursor = 0;
  /** Entries up to here were stored before the push began. */
  readonly #backlogEnd: number;
  #highestPushed: number;
  #inFlight: { seq: number; bytes: number }[] = [];
  #inFlightBytes = 0;
  #active = true;
  #caughtUp = false;
  #reading = false;
  /** An entry has arrived that was not pushed from memory. */
  #missed = false;
  #backlogPushed: () => void = () => {};

  constructor(session: Recipient, { mailbox, logId, claim, highWater }: Pushed, options: DeliveryOptions) {
    this.mailbox = mailbox;
    this.session = session;
    this.logId = logId;
    this.claim = claim;
    this.#backlogEnd = highWater;
    this.#options = options;
    // One that listens again may still acknowledge what it got before.
    const before = session.delivery;
    this.#highestPushed = before?.logId === logId ? before.highestPushed : 0;
  }

  /** Highest `seq` that was pushed on this connection: what may be acknowledged. [P-5.3] */
  get highestPushed(): number {
    return this.#highestPushed;
  }

  /** Bytes that were pushed and are not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Begins the push; resolves when all that waited before has been pushed. */
  async start(): Promise<void> {
    if (!this.#active) return;
    const done = new Promise<void>((resolve) => (this.#backlogPushed = resolve));
    // Also of an empty mailbox: what has come since it was looked at was announced to nobody.
    this.#pump();
    return done;
  }

  /** Stops pushing: another connection has the mailbox now, or this one is gone. */
  suspend(): void {
    if (this.#active && this.#inFlightBytes > 0) this.#options.onUnread(this.session, this.#inFlightBytes);
    this.#active = false;
    this.#caughtUp = false;
    this.#backlogPushed();
  }

  /** Goes on where it stopped: what has come meanwhile was announced to another one, perhaps. */
  resume(): void {
    this.#active = true;
    this.wake();
  }

  /** An entry is on disk. */
  stored(entry: Entry): void {
    if (!this.#active || entry.seq <= this.#cursor) return;
    if (this.#caughtUp && (entry.before ?? 0) <= this.#cursor && this.#hasRoom(lengthOf(entry))) {
      this.#push(entry);
      return;
    }
    this.wake();
  }

  /** Something is on disk that is to be read from there. */
  wake(): void {
    if (!this.#active) return;
    this.#caughtUp = false;
    this.#missed = true;
    this.#pump();
  }

  /** The client has everything up to `seq`. */
  acknowledged(seq: number): void {
    let count = 0;
    for (const { seq: pushed, bytes } of this.#inFlight) {
      if (pushed > seq) break;
      this.#inFlightBytes -= bytes;
      count += 1;
    }
    if (count > 0) this.#inFlight = this.#inFlight.slice(count);
    this.#pump();
  }

  #pump(): void {
    if (this.#reading || !this.#active || this.#caughtUp || !this.#hasRoom(0)) return;
    this.#reading = true;
    this.#read().catch((error: unknown) => {
      // All connections of the relay meet it at once, and would come back at once.
      if (isAway(error)) return this.#options.onAway(this);
      this.#options.onError(error);
      // The client's next connection reads again; a login that waits for the backlog must not wait for ever.
      this.#backlogPushed();
      this.session.close(closeCodes.internal, "internal");
    });
  }

  async #read(): Promise<void> {
    try {
      while (this.#active && !this.#caughtUp && this.#hasRoom(0)) {
        this.#missed = false;
        const room = {
          messages: this.#options.inFlightMessages - this.#inFlight.length,
          bytes: this.#options.inFlightBytes - this.#inFlightBytes,
        };
        const { entries, more } = await this.#options.store.entries(this.mailbox, this.#cursor, room);
        if (!this.#active) return;
        // The store gives one entry at least; if it is too large for now, an acknowledgement brings it.
        const [first] = entries;
        if (first !== undefined && lengthOf(first) > room.bytes && this.#inFlight.length > 0) return;
        for (const entry of entries) this.#push(entry);
        if (!more || this.#cursor >= this.#backlogEnd) this.#backlogPushed();
        this.#caughtUp = !more && !this.#missed;
      }
    } finally {
      // In the same breath as the last look at the room: an acknowledgement right after it must find the way free.
      this.#reading = false;
    }
  }

  #push(entry: Entry): void {
    this.#cursor = entry.seq;
    if (entry.expiresAt !== undefined && entry.expiresAt <= this.#options.clock()) {
      this.#options.onExpired();
      if (entry.pos === undefined || entry.body === undefined) return;
      // The next sweep does the same, behind what was pushed by then: a place without anything would look as if something was withheld.
      const message = stubOf(entry.body.text);
      entry = { ...entry, kind: "stub", message, body: undefined, expiresAt: undefined };
    }
    this.#highestPushed = Math.max(this.#highestPushed, entry.seq);
    const bytes = lengthOf(entry);
    this.#inFlight.push({ seq: entry.seq, bytes });
    this.#inFlightBytes += bytes;
    this.session.write(deliveryFrame(entry, entry.seq > this.#backlogEnd));
    if (this.session.login?.kind === "token") this.session.pingUpTo(entry.seq);
  }

  /** A single entry larger than the whole window goes alone. */
  #hasRoom(bytes: number): boolean {
    const { inFlightMessages, inFlightBytes } = this.#options;
    if (this.#inFlight.length === 0) return true;
    return this.#inFlight.length < inFlightMessages && this.#inFlightBytes + bytes < inFlightBytes;
  }
}

/** What an entry takes on its way: all of what it shares with others, of which it is charged a part alone. */
function lengthOf({ bytes, body }: Entry): number {
  return bytes + (body?.text.length ?? 0);
}
