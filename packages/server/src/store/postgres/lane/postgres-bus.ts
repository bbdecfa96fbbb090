import { randomUUID } from "node:crypto";
import type { Bus, Ears } from "../../bus.ts";
import type { Channel } from "./channel.ts";
import type { Message } from "./messages.ts";

interface PostgresBusOptions {
  channel: Channel;
  relay: number;
  /** How long another relay may take to say whether it has taken a frame: milliseconds. */
  handMs?: number;
}

const HAND_MS = 2000;

interface Handing {
  answers: number;
  /** How many were asked, once that is known. */
  asked: number | undefined;
  settle: (taken: boolean) => void;
}

/** The bus of relays that share a PostgreSQL. */
export function openBus({ channel, relay, handMs = HAND_MS }: PostgresBusOptions): Bus {
  const handing = new Map<string, Handing>();
  let ears: Ears | undefined;

  function settleRefused(id: string): void {
    const found = handing.get(id);
    if (found?.asked !== undefined && found.answers >= found.asked) found.settle(false);
  }

  function handed({ id, taken }: Message & { type: "handed" }): void {
    const found = handing.get(id);
    if (found === undefined) return;
    found.answers += 1;
    if (taken) found.settle(true);
    else settleRefused(id);
  }

  function heard(message: Message): void {
    switch (message.type) {
      case "wake":
        return ears?.wake(message.mailboxes);
      case "superseded":
        return ears?.superseded(message.mailbox, message.claim);
      case "evict":
        return ears?.evict({ mailbox: message.mailbox, username: message.username }, message.why);
      case "hand":
        return channel.tell(message.relay, {
          type: "handed",
          id: message.id,
          taken: ears?.hand(message.mailbox, message.frame) ?? false,
        });
      case "handed":
        return handed(message);
      case "freed":
        return ears?.freed(message.mailbox);
      case "signed":
        return ears?.signed();
      case "all":
        return ears?.missed();
      case "parcel":
        return undefined;
    }
  }

  channel.hear({ message: heard, reopened: () => ears?.missed() });
  const tellAll = (message: Message): void => void channel.tellAll(message);
  return {
    hear: (given) => void (ears = given),
    evict: ({ mailbox, username }, why) => tellAll({ type: "evict", mailbox, username, why }),
    // The store knows which relays had the mailbox, or have to be woken, and has told them.
    superseded: () => {},
    wake: () => {},
    freed: (mailbox) => tellAll({ type: "freed", mailbox }),
    signed: () => tellAll({ type: "signed" }),
    hand: (mailbox, frame) =>
      new Promise((resolve) => {
        const id = randomUUID();
        const timer = setTimeout(() => settle(false), handMs);
        const settle = (taken: boolean): void => {
          clearTimeout(timer);
          handing.delete(id);
          resolve(taken);
        };
        const one: Handing = { answers: 0, asked: undefined, settle };
        handing.set(id, one);
        void channel.tellAll({ type: "hand", id, relay, mailbox, frame }).then((asked) => {
          one.asked = asked;
          settleRefused(id);
        });
      }),
  };
}
