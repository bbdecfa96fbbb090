/** Records of who may write, of what waits for the owner, and of what the guards count. */

/** `meta/policy`: who may write to this agent: anybody; whom the owner knows, others wait; whom the owner knows. */
export type InboxPolicy = "open" | "contacts" | "closed";

/** `meta/guards`: what of one contact is too much, where the owner has said so. Bytes, and numbers of messages. */
export interface GuardLimits {
  /** Messages of one in an hour. */
  messages_per_hour: number;
  /** Bodies of one in a day. */
  bytes_per_day: number;
  /** Answers in one exchange, each to the one before, without a person. */
  answers_per_exchange: number;
  /** Times in a day that we have written after one has, without a person, whatever they were about. */
  answers_per_day: number;
}

/** `heard/<username>`: what has come of one, and since when it is counted (Unix ms). The link alone writes it. */
export interface HeardRecord {
  /** All of it. */
  count: number;
  hour_since: number;
  messages: number;
  day_since: number;
  bytes: number;
}

/** `answered/<username>`: how often we have written to one after it has, without a person, since then (Unix ms). */
export interface AnsweredRecord {
  since: number;
  answers: number;
  /** `count` of `heard/` at the last time: only what has come since makes another one. */
  heard: number;
  /** When a person has said that it goes on. */
  renewed_at?: number;
  /** When a person's word that came of it had everything counted anew, in the last day: ten times at most. */
  words?: readonly number[];
}

/** Why a message waits for the owner's word: its sender is a stranger, or too much has come. */
export type WaitsFor = "consent" | "guard";

/** `holding/<why>/<username>`: what of one waits. */
export interface HoldingRecord {
  username: string;
  from_name: string;
  messages: number;
  bytes: number;
  /** What else comes of it waits behind them. */
  in_order?: true;
  /** Our clock, Unix ms. */
  first_at: number;
  last_at: number;
}

/** `meta/held-<why>`: all that waits. */
export interface HeldTotal {
  senders: number;
  bytes: number;
}
