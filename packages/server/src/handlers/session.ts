import type { BlockedGroups } from "../store/blocked-groups.ts";
import { type RelayFrameType, type WireReason, wireErrors } from "@aimessage/sdk/protocol";
import type { FrameData, Recipient } from "../delivery/delivery.ts";
import type { Refused } from "../store/store.ts";

/** A challenge that waits for its answer on one connection. [P-4.1] */
export interface Challenge {
  name: string;
  device: string | undefined;
  challenge: string;
  /** On the clock of `performance.now()`. */
  expiresAt: number;
}

/** The answer to a request. */
export type Answer = {
  [T in RelayFrameType]: {
    type: T;
    data: FrameData<T>;
    /** Done right after the answer has left. */
    afterwards?: () => void;
  };
}[RelayFrameType];

/** A connection as handlers see it. */
export interface Session extends Recipient {
  readonly address: string;
  challenge: Challenge | undefined;
  /** Groups in which a `send` was refused: nothing more is stored there until the client has noticed. [P-6.5] */
  readonly blocked: BlockedGroups;
  /** Ends it at once. */
  terminate(): void;
}

export function ack(data: FrameData<"ack">, afterwards?: () => void): Answer {
  return afterwards === undefined ? { type: "ack", data } : { type: "ack", data, afterwards };
}

/** An error by its reason; `extra` adds to the row of the table or replaces its message. */
export function refuse(reason: WireReason, extra: Partial<FrameData<"error">> = {}): Answer & { type: "error" } {
  const { code, message, hint } = wireErrors[reason];
  return { type: "error", data: { code, message, reason, hint, ...extra } };
}

/** The error that a store's decision means. */
export function refused(decision: Refused, extra: Partial<FrameData<"error">> = {}): Answer & { type: "error" } {
  return refuse(decision.refused, {
    ...(decision.highest === undefined ? {} : { highest: decision.highest }),
    ...(decision.username === undefined ? {} : { username: decision.username }),
    ...(decision.retryAfterMs === undefined ? {} : { retry_after_ms: decision.retryAfterMs }),
    ...extra,
  });
}
