import * as z from "zod/mini";
import { BlobId, equal, fromUtf8, isBase64, lengthPrefixed, usernameKey, utf8 } from "../protocol/index.ts";
import { optional } from "../protocol/optional.ts";

/** Some hundred years: a point in time so far ahead is still one that a Date holds. Milliseconds. */
const LONGEST_LIFETIME = 2 ** 42;

/** What frameworks put beside a body, in JSON. */
export const HEADERS_SIZE = 2_048;
const HEADERS = 16;

/** A small map of the sender's, for frameworks: keys as of HTTP, values without control characters. */
export const Headers = z
  .record(z.string().check(z.regex(/^[A-Za-z0-9_.-]{1,64}$/)), z.string().check(z.regex(/^\P{Cc}{0,1024}$/u)))
  .check(z.refine((map) => Object.keys(map).length <= HEADERS && utf8(JSON.stringify(map)).length <= HEADERS_SIZE));

/** 32 bytes in base64. */
const Secret = z.string().check(z.length(44), z.refine(isBase64));

/** Files that one message tells of, at most. */
export const MOST_FILES = 16;

/** What a message says of one file: what it is, where it lies encrypted, and how it is fetched and opened. */
const Offer = z.object({
  /** As its sender calls it. */
  name: z.string().check(z.maxLength(255)),
  bytes: z.int().check(z.nonnegative()),
  type: optional(z.string().check(z.regex(/^[\x20-\x7e]{1,128}$/))),
  blob: BlobId,
  /** The read token. */
  token: Secret,
  key: Secret,
  sha256: Secret,
  /** Until when the relay keeps it: its clock, Unix milliseconds. */
  expires_at: z.int().check(z.nonnegative()),
});
export type Offer = z.output<typeof Offer>;
const Offers = z.object({ files: z.array(Offer).check(z.minLength(1), z.maxLength(MOST_FILES)) });

/**
 * What is inside the encryption. The plaintext of a PrivateMessage is: header length (4 bytes, big-endian), header (JSON
 * in UTF-8), body length (4 bytes), body (any bytes); where there are files, the length of what is said of them (4 bytes) and that
 * (JSON in UTF-8); zeros up to the Padme size.
 */
const Header = z.object({
  id: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,60}$/)),
  /** `offer`: its files take the place of those of the message with its `id`. */
  type: z.enum(["message", "receipt", "pairing", "offer"]),
  content_type: z.string().check(z.regex(/^[\x20-\x7e]{1,128}$/)),
  /** Rises by one with each message of this sender in this conversation, receipts included. Starts at 1. */
  counter: z.int().check(z.positive()),
  /** Highest counter read in this group, if everything below it was read, too. */
  read: optional(z.int().check(z.positive())),
  /** In a team: how many its sender had sent when the epoch began. Whoever has just come lacks nothing up to there. */
  base: optional(z.int().check(z.nonnegative())),
  /** In a direct frame to a member of a team: the message that it lacks, and the counter that this was sent to all under. [P-15.10] */
  again: optional(
    z.object({ id: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,60}$/)), counter: z.int().check(z.positive()) }),
  ),
  /** In a direct frame: up to which counter such frames were for its recipient before that came, or came back. [P-15.7] */
  since: optional(z.int().check(z.nonnegative())),
  /** In a team: how far its sender has seen the order of an epoch's messages, by the first 16 bytes of h(p) (base64). [P-15.8] */
  seen: optional(
    z.object({
      epoch: z.int().check(z.nonnegative()),
      pos: z.int().check(z.nonnegative()),
      hash: z.string().check(z.length(24), z.refine(isBase64)),
    }),
  ),
  /** Sender's clock, Unix milliseconds. */
  sent_at: z.int().check(z.nonnegative()),
  /** Milliseconds from `sent_at` after which it is worth nothing, whatever a relay says of the time. */
  lifetime: optional(z.int().check(z.positive(), z.maximum(LONGEST_LIFETIME))),
  /** Relay's clock, Unix milliseconds. */
  expires_at: optional(z.int().check(z.nonnegative())),
  reply_to: optional(z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/))),
  thread: optional(z.string().check(z.regex(/^[\x20-\x7e]{1,64}$/))),
  /** How many answers the exchange has in which it is one, itself included, that no person has written. */
  exchange: optional(z.int().check(z.positive(), z.maximum(1_000_000))),
  /** Its sender waits for a reply, until it expires. */
  expects_reply: optional(z.literal(true)),
  /** A person has written it, by its sender's word. [P-9.19] */
  human: optional(z.literal(true)),
  headers: optional(Headers),
  /** Groups that this one replaces: nothing is sent in them again. In the first message of a re-opened conversation. */
  replaces: optional(z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/))).check(z.maxLength(3))),
});
export type Header = z.output<typeof Header>;

/** What a message says of itself beside its body, on the way as in the stores. */
export type Marks = Pick<
  Header,
  "content_type" | "reply_to" | "thread" | "exchange" | "expects_reply" | "human" | "headers"
>;

export function marksOf({ content_type, reply_to, thread, exchange, expects_reply, human, headers }: Marks): Marks {
  return {
    content_type,
    ...(reply_to === undefined ? {} : { reply_to }),
    ...(thread === undefined ? {} : { thread }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(expects_reply === undefined ? {} : { expects_reply }),
    ...(human === undefined ? {} : { human }),
    ...(headers === undefined ? {} : { headers }),
  };
}

export interface Content {
  header: Header;
  body: Uint8Array;
  /** Not empty. */
  files?: Offer[];
}

/** Bytes that the header may take; all its fields at their largest are below it. */
const HEADER_ROOM = 1024 + HEADERS_SIZE;
/** Bytes that what is said of one file may take: a name of characters that JSON escapes is the longest of it. */
export const FILE_ROOM = 2048;
/** JSON envelope of a `send`, and what MLS adds to a plaintext, both generously. */
const FRAME_ROOM = 2048;
const MLS_ROOM = 1024;

export function encodeContent(content: Content): Uint8Array {
  const { header, body, files } = content;
  const offers = files === undefined ? [] : [utf8(JSON.stringify({ files }))];
  const plain = lengthPrefixed(utf8(JSON.stringify(header)), body, ...offers);
  const padded = new Uint8Array(padme(plain.length));
  padded.set(plain);
  return padded;
}

/** The content of a plaintext, or undefined if it is malformed. */
export function decodeContent(padded: Uint8Array): Content | undefined {
  const view = new DataView(padded.buffer, padded.byteOffset, padded.length);
  const header = part(padded, view, 0);
  const body = header === undefined ? undefined : part(padded, view, 4 + header.length);
  if (header === undefined || body === undefined) return undefined;
  const at = 8 + header.length + body.length;
  // Where there are no files, zeros stand there, or nothing.
  const hasFiles = at + 4 <= padded.length && view.getUint32(at) > 0;
  const parsed = Header.safeParse(readJson(header));
  if (!parsed.success) return undefined;
  if (!hasFiles) return { header: parsed.data, body };
  const offers = Offers.safeParse(readJson(part(padded, view, at)));
  return offers.success ? { header: parsed.data, body, files: offers.data.files } : undefined;
}

/** Undefined if it is none. */
function readJson(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse((bytes === undefined ? undefined : fromUtf8(bytes)) ?? "");
  } catch {
    return undefined;
  }
}

function part(bytes: Uint8Array, view: DataView, at: number): Uint8Array | undefined {
  if (at + 4 > bytes.length) return undefined;
  const end = at + 4 + view.getUint32(at);
  return end > bytes.length ? undefined : bytes.slice(at + 4, end);
}

/** The smallest Padme size that holds `length` bytes: at most 12 % more, and few distinct sizes (Nikitin et al., PETS 2019). */
export function padme(length: number): number {
  const step = padmeStep(Math.max(length, 256));
  return Math.ceil(Math.max(length, 256) / step) * step;
}

function padmeStep(length: number): number {
  const exponent = Math.floor(Math.log2(length));
  return 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1));
}

/** The largest body, in bytes, that fits a relay's frames. */
export function largestBody(frameBytes: number): number {
  const plaintext = Math.floor(((frameBytes - FRAME_ROOM) / 4) * 3) - MLS_ROOM;
  if (plaintext <= HEADER_ROOM) return 0;
  const step = padmeStep(plaintext);
  return Math.max(0, Math.floor(plaintext / step) * step - HEADER_ROOM - 8);
}

/** What an application message is bound to: the relay cannot move it to another id, pair, device or expiry. */
export function authenticatedData(message: {
  messageId: string;
  from: string;
  fromDevice: string;
  to: string;
  toDevice: string;
  expiresAt: number | undefined;
}): Uint8Array {
  return lengthPrefixed(
    "aimessage message 1",
    message.messageId,
    usernameKey(message.from),
    message.fromDevice,
    usernameKey(message.to),
    message.toDevice,
    message.expiresAt ?? 0,
  );
}

/** Whether the data that came with a message is what the frame around it says. */
export function isBoundTo(data: Uint8Array, message: Parameters<typeof authenticatedData>[0]): boolean {
  return equal(data, authenticatedData(message));
}

/**
 * The `message_id` of a frame. The first sending of a message carries its own id; when the other side could not read
 * it, it is encrypted again under the same inner id, and the frame needs another one, since relays refuse the same id
 * with other bytes.
 */
export function frameId(id: string, attempt: number): string {
  return attempt === 0 ? id : `${id}--${attempt}`;
}

/** Whether a frame's `message_id` belongs to an inner id. */
export function isFrameIdOf(messageId: string, id: string): boolean {
  return messageId === id || (messageId.startsWith(`${id}--`) && /^[1-9]\d?$/.test(messageId.slice(id.length + 2)));
}
