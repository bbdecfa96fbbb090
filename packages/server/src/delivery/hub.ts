import { closeCodes, type WireReason } from "@aimessage/sdk/protocol";
import type { Bus, Unasked } from "../store/bus.ts";
import type { Delivery, Recipient } from "./delivery.ts";
import { type Entry, isAway, type RelayStore } from "../store/store.ts";

/** Bytes. What is exchanged between others must not be what fills a connection up: it has not asked for it. [P-6.6] */
const MOST_UNREAD = 2 ** 16;

interface Place {
  /** Oldest first. */
  sessions: Recipient[];
  /** The last one has the mailbox, if this relay has it. Token accounts may have several, key accounts one. */
  deliveries: Delivery[];
  /** The highest of this relay, 0 if it has made none: that by which the store knows it. */
  claim: number;
  /** The highest of another relay that was heard of. Of all claims of a mailbox the highest is the last one. */
  heard: number;
  /** How many are on their way to the store. */
  claiming: number;
}

interface HubOptions {
  /** How many of one account there may be. */
  connections: number;
  /** To other relays, on which connections of the same mailboxes may be. */
  bus: Bus;
  /** Knows who listens, here and there. */
  store: Pick<RelayStore, "listen" | "unlisten">;
}

/** Who is connected, and which connection each mailbox is pushed to. */
export class Hub {
  readonly #places = new Map<number, Place>();
  readonly #connections: number;
  readonly #bus: Bus;
  readonly #store: HubOptions["store"];

  constructor({ connections, bus, store }: HubOptions) {
    this.#connections = connections;
    this.#bus = bus;
    this.#store = store;
  }

  /** A connection has logged in. */
  join(session: Recipient): void {
    const { login } = session;
    // It may have closed while its login was on its way.
    if (login === undefined || !session.isOpen) return;
    let place = this.#places.get(login.mailbox);
    if (place === undefined) {
      place = { sessions: [], deliveries: [], claim: 0, heard: 0, claiming: 0 };
      this.#places.set(login.mailbox, place);
    }
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
      // One of another relay may have it, of whichever age those here are: then nothing is to be done.
      const had = place.deliveries.at(-1) === delivery && hasMailbox(place);
      place.deliveries = place.deliveries.filter((other) => other !== delivery);
      delivery.suspend();
      if (had) this.#passOn(delivery, place.claim);
    }
    if (place.sessions.length === 0) this.#places.delete(mailbox);
  }

  /** A claim of which whoever it was made for has no use: the newest connection here has it, or one of another relay. */
  #passOn({ mailbox, session }: Delivery, claim: number): void {
    const place = this.#places.get(mailbox);
    if (place !== undefined && place.deliveries.length > 0) {
      place.claim = Math.max(place.claim, claim);
      return this.#settle(place);
    }
    this.#store.unlisten(mailbox, claim).then(
      (had) => {
        // Of a key account there is no other connection that could have it.
        if (had && session.login?.kind === "token") this.#bus.freed(mailbox);
      },
      () => {},
    );
  }

  /** The newest connection here is pushed to if this relay has the mailbox, or else gives way. [P-5.6] */
  #settle(place: Place): void {
    const delivery = place.deliveries.at(-1);
    // Whose claim is the last one is known when the answer comes: both giving way, nobody would have the mailbox.
    if (delivery === undefined || place.claiming > 0) return;
    if (hasMailbox(place)) return delivery.resume();
    delivery.suspend();
    if (delivery.session.login?.kind !== "key") return;
    delivery.session.superseded();
    place.deliveries = [];
  }

  /** A connection takes over the mailbox. That of a key account is told when it loses it. */
  listen(delivery: Delivery): void {
    const place = this.#places.get(delivery.mailbox);
    if (place === undefined || !place.sessions.includes(delivery.session)) {
      delivery.suspend();
      this.#passOn(delivery, delivery.claim);
      return;
    }
    const previous = place.deliveries.at(-1);
    previous?.suspend();
    if (delivery.session.login?.kind === "key") {
      previous?.session.superseded();
      place.deliveries = [delivery];
    } else place.deliveries.push(delivery);
    place.claim = Math.max(place.claim, delivery.claim);
    this.#bus.superseded(delivery.mailbox, delivery.claim);
    this.#settle(place);
  }

  /** A connection of another relay has the mailbox now, unless one of this relay has taken it over since. */
  superseded(mailbox: number, claim: number): void {
    const place = this.#places.get(mailbox);
    if (place === undefined || claim < place.heard) return;
    place.heard = claim;
    if (!hasMailbox(place)) this.#settle(place);
  }

  /** Another relay has given the mailbox up: of a token account, the newest connection here gets the messages again. */
  freed(mailbox: number): void {
    if (this.#current(mailbox)?.session.login?.kind === "token") this.claim(mailbox);
  }

  /** Whether a delivery still has its mailbox. */
  has(delivery: Delivery): boolean {
    return this.#places.get(delivery.mailbox)?.deliveries.includes(delivery) ?? false;
  }

  #current(mailbox: number): Delivery | undefined {
    return this.#places.get(mailbox)?.deliveries.at(-1);
  }

  /** Gives a frame that answers nothing to whoever listens, here or at another relay; resolves to whether somebody has it. */
  async hand(mailbox: number, frame: Unasked): Promise<boolean> {
    return this.#current(mailbox) === undefined ? this.#bus.hand(mailbox, frame) : this.handHere(mailbox, frame);
  }

  handHere(mailbox: number, { type, data }: Unasked): boolean {
    const recipient = this.#current(mailbox)?.session;
    if (recipient === undefined || (type !== "keys_low" && recipient.unread > MOST_UNREAD)) return false;
    recipient.push(type, data);
    return true;
  }

  /** Another relay has stored something in these mailboxes. */
  wake(mailboxes: number[]): void {
    for (const mailbox of mailboxes) this.#current(mailbox)?.wake();
  }

  /** Of which some connection is here. */
  mailboxes(): number[] {
    return [...this.#places.keys()];
  }

  /** Has the mailbox claimed once more for the connection that is the newest here: nobody is known to have it. */
  claim(mailbox: number): void {
    const place = this.#places.get(mailbox);
    const delivery = place?.deliveries.at(-1);
    if (place === undefined || delivery === undefined) return;
    place.claiming += 1;
    this.#store.listen(mailbox).then(
      ({ claim }) => {
        place.claiming -= 1;
        this.#passOn(delivery, claim);
      },
      (error: unknown) => {
        place.claiming -= 1;
        // The next round finds that nobody has it.
        if (!isAway(error)) delivery.session.close(closeCodes.internal, "internal");
        this.#settle(place);
      },
    );
  }

  /** Nobody knows which. */
  wakeAll(): void {
    for (const { deliveries } of this.#places.values()) deliveries.at(-1)?.wake();
  }

  stored(entries: Entry[]): void {
    for (const entry of entries) this.#current(entry.mailbox)?.stored(entry);
  }

  /** How many accounts are logged in: at least as many as are online. */
  get size(): number {
    return this.#places.size;
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

function hasMailbox({ claim, heard }: Place): boolean {
  return claim > heard;
}
