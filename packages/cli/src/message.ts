import { Buffer } from "node:buffer";
import { escapeLine, type Line } from "@aimessage/sdk/program";
import { type FileJson, fileJson, fileLabel, type SavedFile } from "./saving.ts";
import { clock } from "./times.ts";
import { fileSize } from "./units.ts";
import type { Message, Tier } from "@aimessage/sdk/node";

/** A message as its reader's line of JSON. Times are Unix milliseconds. */
export interface MessageJson {
  /** Ours, by which other commands know it. */
  message_id: string;
  /** Its sender's. */
  peer_id: string;
  from: string;
  to: string;
  /** The group that it was sent to, by its name here, if it was to one. */
  group?: string;
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
  /** A person has written it, by its sender's word. */
  human?: true;
  late?: true;
  reply_to?: string;
  thread?: string;
  headers?: Readonly<Record<string, string>>;
  files?: FileJson[];
}

/** @param files What became of its files, if they were to be saved. */
export function messageJson(message: Message, files: readonly SavedFile[] = message.files): MessageJson {
  const text = utf8(message.bytes);
  return {
    message_id: message.id,
    peer_id: message.peerId,
    from: message.from,
    to: message.to,
    ...(message.group === undefined ? {} : { group: message.group }),
    body: text ?? null,
    ...(text === undefined ? { body_base64: Buffer.from(message.bytes).toString("base64") } : {}),
    content_type: message.contentType,
    sent_at: message.sentAt,
    received_at: message.receivedAt,
    offline: message.offline,
    verified: message.verified,
    trust: message.trust,
    ...(message.expectsReply ? { expects_reply: true as const } : {}),
    ...(message.human ? { human: true as const } : {}),
    ...(message.late ? { late: true as const } : {}),
    ...(message.replyTo === undefined ? {} : { reply_to: message.replyTo }),
    ...(message.thread === undefined ? {} : { thread: message.thread }),
    ...(Object.keys(message.headers).length === 0 ? {} : { headers: message.headers }),
    ...(files.length === 0 ? {} : { files: files.map(fileJson) }),
  };
}

/**
 * `[14:30:15] alice: text [in/report.pdf 1.2 MiB]`, or with OFFLINE before the time if it waited at the relay.
 * @param labels Of its files.
 */
export function messageLine(message: Message, labels = message.files.map((file) => fileLabel(file))): Line {
  const { sentAt, offline } = message;
  return {
    line: `[${offline ? "OFFLINE " : ""}${clock(sentAt)}] ${senderIn(message)}: `,
    body: withFiles(message, labels),
  };
}

/** `alice`, or `@team alice` for what was sent to a group. */
export function senderIn({ from, group }: Message): string {
  return group === undefined ? from : `@${group} ${from}`;
}

/** The body, or a word on a body that is no text. */
export function messageText({ bytes, contentType }: Message): string {
  return utf8(bytes) ?? `(${bytes.length} bytes of ${contentType})`;
}

/** The text of a message, and what there is to be said of its files. */
export function withFiles(message: Message, labels: readonly string[]): string {
  // Each on the line on which it begins: names of folders may have line breaks.
  const files = labels.map((label) => `[${escapeLine(label)}]`);
  return [...(message.bytes.length === 0 && files.length > 0 ? [] : [messageText(message)]), ...files].join(" ");
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

/** The same, with its files: one by its name, more by their number. */
export function previewWithFiles(message: Message): string {
  const { files } = message;
  if (files.length === 0) return preview(message);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const [label] =
    files.length === 1 ? files.map((file) => fileLabel(file)) : [`${files.length} files, ${fileSize(bytes)}`];
  return `${preview(message)}${message.bytes.length === 0 ? "" : " "}[${label}]`;
}
