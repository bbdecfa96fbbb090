import { type BadFrame, type ClientFrame, decodeClientFrame } from "@aimessage/sdk/protocol";
import type { Limits } from "./limits.ts";
import { Bucket } from "./rate-limit.ts";

/** What may come in beyond the largest frame before it is seen to be one: what the system reads at once, twice. */
const READ_AHEAD = 2 ** 17;
/** A frame counts once, and once more for each of these bytes: reading it costs as much. Before login and after it. */
const COUNTED_BEFORE_LOGIN = 2 ** 13;
const COUNTED = 2 ** 16;
/** Frames over the rate in a row after which a stranger is sent away. */
const MOST_REFUSED = 100;
/** A refused frame of a stranger is read for its id up to this size. */
const READ_FOR_ID = 2 ** 12;

/** A frame as it came in. `wait`: it was charged before it was read; 0, or milliseconds until it may be sent again. */
export type Read = ({ frame: ClientFrame } | { bad: BadFrame }) & { text: string; wait?: number };

/** Reads the frames of one connection. Of strangers it holds little, and reads nothing that is over their rate. [P-1.3, P-11.2] */
export class Intake {
  readonly #largest: number;
  readonly #bucket: Bucket;
  #refusedInARow = 0;
  /** Bytes that have come since the last whole frame. */
  #unfinished = 0;

  constructor({ frameBytesUnauthenticated, loginFramesPerSecond, loginFramesBurst }: Limits) {
    this.#largest = frameBytesUnauthenticated;
    this.#bucket = new Bucket(loginFramesPerSecond, loginFramesBurst);
  }

  /** Counts bytes of a stranger. @returns whether the frame that they belong to is too large, though it is not whole */
  isTooMuch(bytes: number): boolean {
    this.#unfinished += bytes;
    return this.#unfinished > this.#largest + READ_AHEAD;
  }

  /** Reads a frame of somebody who is logged in, or about to be. */
  read(bytes: Buffer, isBinary: boolean): Read {
    this.#unfinished = 0;
    const text = isBinary ? "" : bytes.toString();
    return { ...decodeClientFrame(text), text };
  }

  /** Charges a stranger for a frame. @returns 0, or milliseconds until it may be sent again */
  charge(bytes: number): number {
    return this.#bucket.take(weight(bytes, COUNTED_BEFORE_LOGIN));
  }

  /** Charges and reads a frame of a stranger, or says why the connection has to end. */
  readStranger(bytes: Buffer, isBinary: boolean): Read | "too_large" | "flood" {
    this.#unfinished = 0;
    if (bytes.length > this.#largest) return "too_large";
    const wait = this.charge(bytes.length);
    this.#refusedInARow = wait > 0 ? this.#refusedInARow + 1 : 0;
    if (this.#refusedInARow > MOST_REFUSED) return "flood";
    return { ...this.read(bytes, isBinary || (wait > 0 && bytes.length > READ_FOR_ID)), wait };
  }
}

/** What a frame of an account counts for. */
export function frameWeight({ text }: Read): number {
  return weight(text.length, COUNTED);
}

function weight(bytes: number, each: number): number {
  return 1 + Math.floor(bytes / each);
}

/** The id that the client has given to what it sends: errors repeat it. */
export function requestId(read: Read): { message_id?: string; commit_id?: string } {
  if (!("frame" in read)) return {};
  const { type, data } = read.frame;
  if (type === "commit") return { commit_id: data.commit_id };
  return type === "send" && data.message_id !== undefined ? { message_id: data.message_id } : {};
}

/** The group that a `send` is for, also one that is malformed otherwise. */
export function groupOf(read: Read): string | undefined {
  if ("frame" in read) return read.frame.type === "send" ? read.frame.data.group_id : undefined;
  if (read.bad.type !== "send") return undefined;
  const group: unknown = (JSON.parse(read.text) as { data?: { group_id?: unknown } }).data?.group_id;
  return typeof group === "string" && group.length === 64 ? group : undefined;
}
