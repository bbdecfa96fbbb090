import type { ClientFrameInput, RelayFrameData } from "../protocol/index.ts";
import type { Refusal } from "./connection.ts";
import type { OutboxRecord } from "./records.ts";

export type Answered<T> = { ok: T } | { refusal: Refusal };
export type SendData = ClientFrameInput<"send">;
export type CommitData = ClientFrameInput<"commit">;

/** What is under way on the present connection. Forgotten with it: what was not answered is sent again, byte by byte. */
export class Flight {
  readonly sends = new Map<number, { contact: string; group: string; kind: OutboxRecord["kind"] }>();
  readonly sendAnswers: { seq: number; answer: Answered<RelayFrameData<"ack">> }[] = [];
  readonly commitAnswers: { group: string; commitId: string; answer: Answered<RelayFrameData<"ack">> }[] = [];
  /** Groups in which a send was refused: what follows waits until all answers are in, and begins with `resume`. */
  readonly blocked = new Set<string>();
  /** Contacts to whom something waits, but there is no conversation. */
  readonly toOpen = new Set<string>();
  /** Back-off of single contacts, and of all: Unix milliseconds. */
  readonly pausedContacts = new Map<string, number>();
  pausedUntil = 0;
  readonly post: (seq: number, data: SendData) => void;
  readonly postCommit: (group: string) => void;

  constructor(post: (seq: number, data: SendData) => void, postCommit: (group: string) => void) {
    this.post = post;
    this.postCommit = postCommit;
  }

  hasReceiptUnderWay(contact: string): boolean {
    for (const send of this.sends.values()) if (send.contact === contact && send.kind === "receipt") return true;
    return false;
  }

  pause(contact: string, until: number): void {
    this.pausedContacts.set(contact, Math.max(until, this.pausedContacts.get(contact) ?? 0));
  }

  isPaused(contact: string, now: number): boolean {
    return (this.pausedContacts.get(contact) ?? 0) > now;
  }

  /** When the next pause ends, Unix milliseconds; undefined if nothing is paused. */
  nextResume(now: number): number | undefined {
    const ends = [this.pausedUntil, ...this.pausedContacts.values()].filter((end) => end > now);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }
}
