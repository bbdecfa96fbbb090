import type { relayFrames } from "@aimessage/sdk/protocol";
import type * as z from "zod/mini";

/** Why all that an account's mailbox has open is ended. */
export type Ended = "removed" | "disabled" | "replaced";

/** A frame that answers nothing, for whoever listens to a mailbox. */
export type Unasked = {
  [T in UnaskedType]: { type: T; data: z.input<(typeof relayFrames)[T]> };
}[UnaskedType];

type UnaskedType = "keys_low" | "key_request" | "key_response" | "statement";

/** What the other relays say, as it is done at this one. */
export interface Ears {
  /** A mailbox is no more, or nobody may use it. */
  evict(account: { mailbox: number; username: string }, why: Ended): void;
  /** A connection of another relay has taken the mailbox over, by this claim. */
  superseded(mailbox: number, claim: number): void;
  /** No connection of the relay that had the mailbox has it any more. */
  freed(mailbox: number): void;
  /** What a member has signed waits for another one to commit it, who may listen anywhere. */
  signed(): void;
  /** Something was stored in these mailboxes. */
  wake(mailboxes: number[]): void;
  /** Something may have been said that was not heard: everything is to be looked at. */
  missed(): void;
  /** @returns whether a connection has taken it */
  hand(mailbox: number, frame: Unasked): boolean;
}

/** What relays that share a store tell each other. What is said here is heard by all others, and does nothing at this relay. */
export interface Bus {
  /** To be called once, before anything else. */
  hear(ears: Ears): void;
  evict: Ears["evict"];
  superseded: Ears["superseded"];
  freed: Ears["freed"];
  signed: Ears["signed"];
  wake: Ears["wake"];
  hand(mailbox: number, frame: Unasked): Promise<boolean>;
}

/** That of a relay that shares its store with no other. */
export const alone: Bus = {
  hear: () => {},
  evict: () => {},
  superseded: () => {},
  freed: () => {},
  signed: () => {},
  wake: () => {},
  hand: async () => false,
};
