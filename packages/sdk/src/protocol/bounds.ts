import type { ClientFrameType } from "./client-frames.ts";
import type { Look } from "./look.ts";
import type { RelayFrameType } from "./relay-frames.ts";

/** Bounds of a frame, before anything of it is parsed. [P-2.7] */
export interface FrameBounds {
  /** UTF-16 code units: never more than bytes. */
  length: number;
  /** Fields, elements, objects and arrays, together. */
  items: number;
}

/** How deep objects and arrays may be nested. What is defined takes 4; fields of later versions may be deeper. */
const MOST_DEPTH = 16;

const KIB = 1024;
/** The largest frame that any relay may allow, and any client takes. Bytes. [P-1.3] */
export const MOST_FRAME_BYTES = 16 * KIB * KIB;
/** Nothing but what bounds each frame of the connection. */
const ANY_LENGTH = Number.MAX_SAFE_INTEGER;
/** A question, a position, a sign of life; and what nobody knows. */
const SMALL: FrameBounds = { length: 4 * KIB, items: 64 };
/** A key of 8,192 characters, each of which may be written with an escape. */
const KEY: FrameBounds = { length: 64 * KIB, items: 64 };
/** A hundred key packages. */
const PACKAGES: FrameBounds = { length: ANY_LENGTH, items: 512 };

const clientBounds: Record<ClientFrameType, FrameBounds> = {
  register: PACKAGES,
  authenticate: SMALL,
  send: { length: ANY_LENGTH, items: 64 },
  listen: SMALL,
  list_users: SMALL,
  heartbeat: SMALL,
  key_exchange: KEY,
  key_response: KEY,
  info: SMALL,
  lookup: SMALL,
  publish_keys: PACKAGES,
  claim_keys: SMALL,
  groups: SMALL,
  leave: SMALL,
  rejoin: SMALL,
  // A thousand members and Welcomes, and a hundred messages.
  commit: { length: ANY_LENGTH, items: 10_000 },
  received: SMALL,
  // A thousand names.
  peers: { length: 64 * KIB, items: 1_100 },
  blob: SMALL,
  blob_delete: SMALL,
  unregister: SMALL,
};

/** Names, features and limits, or keys and a certificate. */
const ANSWER: FrameBounds = { length: 64 * KIB, items: 2_048 };
/** A commit that adds two hundred members and removes a thousand. */
const DELIVERY: FrameBounds = { length: ANY_LENGTH, items: 4_096 };

const relayBounds: Record<RelayFrameType, FrameBounds> = {
  registered: ANSWER,
  challenge: SMALL,
  // The names of a thousand members that have lapsed.
  ack: { length: 64 * KIB, items: 1_064 },
  message: DELIVERY,
  offline_message: DELIVERY,
  // Everybody who is online at a large relay.
  user_list: { length: ANY_LENGTH, items: 200_000 },
  key_request: KEY,
  key_response: KEY,
  info: ANSWER,
  agent: ANSWER,
  keys: ANSWER,
  // Fifty key packages, each with a certificate.
  key_list: { length: 512 * KIB, items: 1_024 },
  // Of more groups than an account may have.
  group_list: { length: 256 * KIB, items: 8_192 },
  statement: SMALL,
  keys_low: SMALL,
  error: ANSWER,
};

/** Until a relay has said how long its frames may be. */
export const FIRST_FRAME_LENGTH = ANSWER.length;

/**
 * How long the frames of a relay may be that takes frames of `frameBytes`: four times as long, since a relay that takes
 * shorter ones than before still holds what came then, and puts more around it.
 */
export function longestFrame(frameBytes: number): number {
  return Math.min(4 * frameBytes + FIRST_FRAME_LENGTH, MOST_FRAME_BYTES);
}

/** Why a client's frame is not read; undefined if it may be. */
export function clientObjection(look: Look): "message_too_large" | "invalid_data" | undefined {
  return objection(look, boundsOf(clientBounds, look.type));
}

/** Why a relay's frame is not read; undefined if it may be. */
export function relayObjection(look: Look): "message_too_large" | "invalid_data" | undefined {
  return objection(look, boundsOf(relayBounds, look.type));
}

function boundsOf<T extends string>(bounds: Record<T, FrameBounds>, type: string | undefined): FrameBounds {
  return type !== undefined && Object.hasOwn(bounds, type) ? bounds[type as T] : SMALL;
}

function objection(
  { length, items, depth }: Look,
  most: FrameBounds,
): "message_too_large" | "invalid_data" | undefined {
  if (length > most.length) return "message_too_large";
  return items > most.items || depth > MOST_DEPTH ? "invalid_data" : undefined;
}
