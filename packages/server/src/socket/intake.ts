import { Id, type Look, lookAt } from "@aimessage/sdk/protocol";
import type { Limits } from "../config/limits.ts";
import { Bucket, type Buckets, type Over } from "./rate-limit.ts";

/**
 * A frame counts once, and once more for each of these bytes, and for each of these fields and elements: reading it costs as
 * much. Before login, after it, and of signs of life, of which an account may send many.
 */
const COUNTED_BEFORE_LOGIN = 2 ** 13;
const COUNTED = 2 ** 16;
const COUNTED_LIGHT = 2 ** 10;
const COUNTED_ITEMS = 2 ** 9;
/** And so does an answer, for each of these names in it. */
const COUNTED_NAMES = 2 ** 6;
/** Frames over the rate in a row after which a stranger is sent away. */
const MOST_REFUSED = 100;

/** A frame as it came in: looked at, and not parsed before it is charged. Strangers are charged when it comes. */
export interface Read {
  text: string;
  look: Look;
  charged?: { over: Over | undefined };
}

/** Reads the frames of one connection. Of strangers it holds little, and reads nothing that is over their rate. [P-1.3, P-11.2] */
export class Intake {
  readonly #largest: number;
  readonly #bucket: Bucket;
  #refusedInARow = 0;

  constructor({ frameBytesUnauthenticated, loginFramesPerSecond, loginFramesBurst }: Limits) {
    this.#largest = frameBytesUnauthenticated;
    this.#bucket = new Bucket(loginFramesPerSecond, loginFramesBurst);
  }

  /** Whether a stranger's frame is, whole or not. */
  isTooLarge(bytes: number): boolean {
    return bytes > this.#largest;
  }

  /** Takes a frame of somebody who is logged in, or about to be. */
  read(bytes: Buffer, isBinary: boolean): Read {
    const text = isBinary ? "" : bytes.toString();
    return { text, look: lookAt(text) };
  }

  /** Charges a stranger for a frame. */
  charge(bytes: number): Over | undefined {
    return this.#bucket.charge(weight(bytes, COUNTED_BEFORE_LOGIN));
  }

  /** Charges for a frame of a stranger and takes it, or says why the connection has to end. */
  readStranger(bytes: Buffer, isBinary: boolean): Read | "too_large" | "flood" {
    if (this.isTooLarge(bytes.length)) return "too_large";
    const over = this.charge(bytes.length);
    this.#refusedInARow = over === undefined ? 0 : this.#refusedInARow + 1;
    if (this.#refusedInARow > MOST_REFUSED) return "flood";
    return { ...this.read(bytes, isBinary), charged: { over } };
  }
}

/**
 * Charges an account for a frame, and for its answer where that is a list of all who are `online`. A stock of key packages
 * has a rate of its own as well: it is the dearest frame to read.
 */
export function chargeAccount(
  { frames, lightFrames, publishes }: Record<"frames" | "lightFrames" | "publishes", Buckets>,
  account: string,
  { look: { type, length, items } }: Read,
  online: number,
): Over | undefined {
  const isLight = type === "received" || type === "heartbeat";
  const answer = type === "list_users" ? Math.floor(online / COUNTED_NAMES) : 0;
  const count = weight(length, isLight ? COUNTED_LIGHT : COUNTED) + Math.floor(items / COUNTED_ITEMS) + answer;
  const over = (isLight ? lightFrames : frames).charge(account, count);
  return over === undefined && type === "publish_keys" ? publishes.charge(account, 1) : over;
}

/** Charges an account for mail that it was pushed and has not acknowledged: it is pushed again. */
export function chargeUnread({ frames }: Record<"frames", Buckets>, account: string, bytes: number): void {
  frames.owe(account, Math.floor(bytes / COUNTED));
}

function weight(bytes: number, each: number): number {
  return 1 + Math.floor(bytes / each);
}

/** The id that the client has given to what it sends: errors repeat it. */
export function requestId({ type, message_id, commit_id }: Look): {
  message_id?: string;
  commit_id?: string;
} {
  if (type === "commit" && Id.safeParse(commit_id).success) return { commit_id: commit_id as string };
  if (type === "send" && Id.safeParse(message_id).success) return { message_id: message_id as string };
  return {};
}

/** The group that a `send` is for, also one that is malformed otherwise, or was not parsed. */
export function groupOf({ type, group_id }: Look): string | undefined {
  return type === "send" && group_id?.length === 64 ? group_id : undefined;
}
