import { Buffer } from "node:buffer";
import type { Line } from "@aimessage/sdk/program";
import { clock } from "./times.ts";
import type { Message, Tier } from "@aimessage/sdk/node";

/** A message as its reader's line of JSON. Times are Unix milliseconds. */
export interface MessageJson {
  /** Ours, by which other commands know it. */
  message_id: string;
  /** Its sender's. */
  peer_id: string;
  from: string;
  to: string;
  /** Null if the body is not UTF-8 text; then `body_base64` has it. */
  body: string | null;
  body_base64?: string;
  content_type: string;
  sent_at: number;
  received_at: number;
  offline: boolean;
  /** Its sender's fingerprint had been verified when it came. */
  verified: boolean;
  /** How far the owner trusts the sender now: unknown, known, verified or trusted. */
  trust: Tier;
  /** Only where it is true, or there is one. */
  expects_reply?: true;
  late?: true;
  reply_to?: string;
  thread?: string;
  headers?: Readonly<Record<string, string>>;
}

export function messageJson(message: Message): MessageJson {
  const text = utf8(message.bytes);
  return {
    message_id: message.id,
    peer_id: message.peerId,
    from: message.from,
    to: message.to,
    body: text ?? null,
    ...(text === undefined ? { body_base64: Buffer.from(message.bytes).toString("base64") } : {}),
    content_type: message.contentType,
    sent_at: message.sentAt,
    received_at: message.receivedAt,
    offline: message.offline,
    verified: message.verified,
    trust: message.trust,
    ...(message.expectsReply ? { expects_reply: true as const } : {}),
    ...(message.late ? { late: true as const } : {}),
    ...(message.replyTo === undefined ? {} : { reply_to: message.replyTo }),
    ...(message.thread === undefined ? {} : { thread: message.thread }),
    ...(Object.keys(message.headers).length === 0 ? {} : { headers: message.headers }),
  };
}

/** `[14:30:15] alice: text`, or with OFFLINE before the time if it waited at the relay. */
export function messageLine(message: Message): Line {
  const { from, sentAt, offline } = message;
  return { line: `[${offline ? "OFFLINE " : ""}${clock(sentAt)}] ${from}: `, body: messageText(message) };
}

/** The body, or a word on a body that is no text. */
export function messageText({ bytes, contentType }: Message): string {
  return utf8(bytes) ?? `(${bytes.length} bytes of ${contentType})`;
}

/** Bytes as text, exactly; undefined if they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The beginning of a body, whole characters only. */
export function preview(message: Message): string {
  const body = messageText(message);
  const characters = Array.from(body.slice(0, 200));
  const cut = characters.length > 60 || body.length > 200;
  return characters.slice(0, 60).join("") + (cut ? "..." : "");
}
