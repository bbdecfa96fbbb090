import { closeCodes, type WireReason } from "@aimessage/sdk/protocol";
import { alone, type Bus, type Unasked } from "../store/bus.ts";
import type { Delivery, Recipient } from "./delivery.ts";
import type { Entry } from "../store/store.ts";

/** Bytes. What is exchanged between others must not be what fills a connection up: it has not asked for it. [P-6.6] */
const MOST_UNREAD = 2 ** 16;

interface Place {
  username: string;
  /** Oldest first. */
  sessions: Recipient[];
  /** The last one has the mailbox. Token accounts may have several, key accounts one. */
  deliveries: Delivery[];
}

/** Who is connected, and which connection each mailbox is pushed to. */
export class Hub {
  readonly #places = new Map<number, Place>();
  readonly #connections: number;
  readonly #bus: Bus;

  /**
   * @param connections How many of one account there may be.
   * @param bus To other relays, on which connections of the same mailboxes may be.
   */
  constructor(connections: number, bus = alone) {
    this.#connections = connections;
    this.#bus = bus;
  }

  /** A connection has logged in. */
  join(session: Recipient): void {
    const { login } = session;
    // It may have closed while its login was on its way.
    if (login === undefined || !session.isOpen) return;
    let place = this.#places.get(login.mailbox);
    if (place === undefined)
      this.#places.set(login.mailbox, (place = { username: login.username, sessions: [], deliveries: [] }));
    if (!place.sessions.includes(session)) place.sessions.push(session);
    while (place.sessions.length > this.#connections) place.sessions.shift()?.close(closeCodes.tooMany, "rate_limited");
  }

  /** A connection is gone. Of a token account, an older connection gets the messages again. [P-5.5] */
  leave(session: Recipient): void {
    const mailbox = session.login?.mailbox;
    const place = mailbox === undefined ? undefined : this.#places.get(mailbox);
    if (mailbox === undefined || place === undefined) return;
    place.sessions = place.sessions.filter((other) => other !== session);
    const { delivery } = session;
    if (delivery !== undefined) {
      const had = place.deliveries.at(-1) === delivery;
      place.deliveries = place.deliveries.filter((other) => other !== delivery);
      delivery.suspend();
      if (had) place.deliveries.at(-1)?.resume();
    }
    if (place.sessions.length === 0) this.#places.delete(mailbox);
  }

  /** A connection takes over the mailbox. That of a key account is told when it loses it. [P-5.6] */
  listen(delivery: Delivery): void {
    const place = this.#places.get(delivery.mailbox);
    if (place === undefined || !place.sessions.includes(delivery.session)) {
      delivery.suspend();
      return;
    }
    const previous = place.deliveries.at(-1);
    previous?.suspend();
    if (delivery.session.login?.kind === "key") {
      previous?.session.superseded();
      place.deliveries = [delivery];
    } else place.deliveries.push(delivery);
    this.#bus.superseded(delivery.mailbox);
  }

  /** A connection of another relay has the mailbox now. */
  superseded(mailbox: number): void {
    const place = this.#places.get(mailbox);
    const delivery = place?.deliveries.at(-1);
    if (place === undefined || delivery === undefined) return;
    delivery.suspend();
    if (delivery.session.login?.kind !== "key") return;
    delivery.session.superseded();
    place.deliveries = [];
  }

  /** Whether a delivery still has its mailbox. */
  has(delivery: Delivery): boolean {
    return this.#places.get(delivery.mailbox)?.deliveries.includes(delivery) ?? false;
  }

  isListening(mailbox: number): boolean {
    return this.listener(mailbox) !== undefined;
  }

  /** The connection that the mailbox is pushed to. */
  listener(mailbox: number): Recipient | undefined {
    return this.#places.get(mailbox)?.deliveries.at(-1)?.session;
  }

  /** Gives a frame that answers nothing to whoever listens, here or at another relay; resolves to whether somebody has it. */
  async hand(mailbox: number, frame: Unasked): Promise<boolean> {
    return this.isListening(mailbox) ? this.handHere(mailbox, frame) : this.#bus.hand(mailbox, frame);
  }

  handHere(mailbox: number, { type, data }: Unasked): boolean {
    const recipient = this.listener(mailbox);
    if (recipient === undefined || (type !== "keys_low" && recipient.unread > MOST_UNREAD)) return false;
    recipient.push(type, data);
    return true;
  }

  /** Another relay has stored something in these mailboxes. */
  wake(mailboxes: number[]): void {
    for (const mailbox of mailboxes) this.#places.get(mailbox)?.deliveries.at(-1)?.wake();
  }

  stored(entries: Entry[]): void {
    for (const entry of entries) this.#places.get(entry.mailbox)?.deliveries.at(-1)?.stored(entry);
  }

  /** How many accounts are logged in: at least as many as are online. */
  get size(): number {
    return this.#places.size;
  }

  /** Usernames with a mailbox that is being pushed. */
  online(): string[] {
    const names: string[] = [];
    for (const { username, deliveries } of this.#places.values()) if (deliveries.length > 0) names.push(username);
    return names;
  }

  /** Ends all connections of a mailbox that is no more, but for one. */
  evict(
    mailbox: number,
    code: (typeof closeCodes)[keyof typeof closeCodes],
    reason: WireReason,
    except?: Recipient,
  ): void {
    for (const session of this.#places.get(mailbox)?.sessions ?? [])
      if (session !== except) session.close(code, reason);
  }
}
