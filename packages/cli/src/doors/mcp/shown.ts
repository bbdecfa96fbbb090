/** Messages, questions and contacts as a model reads them. Times are ISO 8601. */
import { Buffer } from "node:buffer";
import { wireErrors } from "@aimessage/sdk/protocol";
import type { Contact, Message, MessageStatus, OutgoingFile, Question } from "@aimessage/sdk/node";
import { preview, utf8 } from "../../message.ts";
import { type SavedFile, wordOf } from "../../saving.ts";
import { costOf, fence, partOf } from "./fence.ts";
import { hintOf } from "./hints.ts";

/** Of all of a message but its body. Tokens, about. */
const OVERHEAD = 100;

export function time(ms: number): string {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? String(ms) : at.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Why something did not become of a message, in words of ours, beside what relays refuse things for. */
const REASONS: ReadonlySet<string> = new Set([
  ...Object.keys(wireErrors),
  "clock",
  "closed",
  "consent",
  "device_changed",
  "disk_full",
  "dropped",
  "expired",
  "failed",
  "file_changed",
  "file_damaged",
  "file_expired",
  "file_failed",
  "file_gone",
  "fingerprint_mismatch",
  "gone",
  "guard",
  "hard_link",
  "hidden",
  "identity_changed",
  "internal",
  "lapsed",
  "mailbox_age",
  "missing",
  "no_file",
  "no_files",
  "no_members",
  "no_root",
  "not_handled",
  "outside",
  "own_store",
  "partial",
  "pairing_expired",
  "pairing_refused",
  "refused",
  "relay_unreachable",
  "requests_full",
  "too_large",
  "undecryptable",
  "unregistered",
  "unwritable",
]);

/** Whether a word of others can say no more than what this program knows anyway: a reason of ours, or an id at random. */
function isOurs(text: string): boolean {
  return REASONS.has(text) || /^[0-9a-f]{32}$/.test(text);
}

/** What others have put where a word is expected; in a fence unless it is one of ours, since underscores make a word of any sentence. */
export function word(text: string): string {
  return isOurs(text) ? text : fence(text);
}

/** Whom a message is for: a group is called as others have called it. */
export function addressee(to: string): string {
  return to.startsWith("@") ? word(to) : to;
}

/** A sentence of ours without the reason that others gave, which stands in a fence, and nowhere else. */
export function without(reason: string | undefined, sentence: string): string {
  if (reason === undefined || isOurs(reason)) return sentence;
  return sentence.replaceAll(`: ${reason}`, "").replaceAll(`: ${reason.replaceAll("_", " ")}`, "");
}

/** What is said of a message beside its body. */
function head(message: Message & { inWork?: boolean; state?: string; reason?: string }): object {
  const { id, from, group, verified, trust, receivedAt, expectsReply, human, expiresAt, inWork, state, reason } =
    message;
  return {
    message_id: id,
    from,
    ...(group === undefined ? {} : { group: word(`@${group}`) }),
    verified,
    trust,
    received_at: time(receivedAt),
    ...(state === undefined || state === "unhandled" ? {} : { state }),
    ...(reason === undefined ? {} : { reason: word(reason) }),
    ...(expectsReply ? { expects_reply: true } : {}),
    ...(human ? { human: true } : {}),
    ...(expiresAt === undefined ? {} : { until: time(expiresAt) }),
    ...(inWork === true ? { in_work: "another door of this agent works on it" } : {}),
  };
}

/** What a reader has asked for of a message. */
interface Part {
  offset?: number;
  files?: readonly SavedFile[];
  /** Its files are not there yet. */
  isSaving?: boolean;
}

/** A file by its path, which its sender has had a part in naming, or by its name. */
function fileOf({ name, bytes, path, error }: SavedFile): object {
  return {
    ...(path === undefined ? { name: word(name) } : { path: word(path) }),
    bytes,
    ...(error === undefined ? {} : { error: wordOf(error), hint: hintOf(error) }),
  };
}

/** A message with as much of its body as the budget allows, from `offset` on. Tokens. */
export function wholeMessage(
  message: Message,
  tokens: number,
  { offset = 0, files = message.files, isSaving = false }: Part = {},
): object {
  const { bytes, contentType, thread, replyTo, late, headers } = message;
  const text = utf8(bytes);
  const body = text ?? Buffer.from(bytes).toString("base64");
  const attached = files.map(fileOf);
  const left = tokens - OVERHEAD - (files.length === 0 ? 0 : costOf(attached));
  const { shown, next } = partOf(body, Math.min(offset, body.length), Math.max(left, OVERHEAD));
  return {
    ...head(message),
    ...(thread === undefined ? {} : { thread: word(thread) }),
    ...(replyTo === undefined ? {} : { reply_to: word(replyTo) }),
    ...(late ? { late: true } : {}),
    ...(contentType === "text/plain" ? {} : { content_type: word(contentType) }),
    ...(Object.keys(headers).length === 0 ? {} : { headers: fence(JSON.stringify(headers)) }),
    ...(files.length === 0 ? {} : { files: attached }),
    ...(isSaving ? { next: "they are being saved: call again with the same arguments" } : {}),
    ...(text === undefined ? { encoding: "base64" } : {}),
    ...(offset === 0 ? {} : { offset }),
    ...(next === undefined ? {} : { next_offset: next, length: body.length }),
    body: shown,
  };
}

/** A message with the beginning of its body, on one line. */
export function previewOf(message: Message): object {
  const { length } = message.files;
  const files = length === 0 ? {} : { files: length };
  return { ...head(message), ...files, preview: fence(preview(message).replaceAll(/\s+/g, " ")) };
}

export function questionOf({ id, to, state, reason, askedAt, deadline, replyId }: Question): object {
  return {
    ask_id: id,
    to: addressee(to),
    state,
    ...(reason === undefined ? {} : { reason: word(reason) }),
    asked_at: time(askedAt),
    until: time(deadline),
    ...(replyId === undefined ? {} : { reply_id: replyId }),
  };
}

/** How far a file is that goes with a message: its name may be that of one that others have sent. */
function sentFileOf({ name, bytes, done, state, fetched, reason }: OutgoingFile): object {
  return {
    name: word(name),
    bytes,
    ...(state === "waits" ? { done } : {}),
    state,
    ...(fetched === undefined ? {} : { fetched }),
    ...(reason === undefined ? {} : { reason: word(reason) }),
  };
}

export function statusOf({ id, to, state, reason, files, createdAt, updatedAt, expiresAt }: MessageStatus): object {
  return {
    message_id: id,
    to: addressee(to),
    status: state,
    ...(reason === undefined ? {} : { reason: word(reason) }),
    ...(files === undefined || files.length === 0 ? {} : { files: files.map(sentFileOf) }),
    sent_at: time(createdAt),
    updated_at: time(updatedAt),
    ...(expiresAt === undefined ? {} : { expires_at: time(expiresAt) }),
  };
}

export function contactOf({ username, verified, tier, blocked, stopped, heardAt }: Contact): object {
  return {
    name: username,
    verified,
    trust: tier,
    ...(blocked ? { blocked } : {}),
    ...(stopped === undefined ? {} : { stopped }),
    ...(heardAt === undefined ? {} : { heard: time(heardAt).slice(0, 10) }),
  };
}

/** As many as cost so many tokens, but one at least. */
export async function within<T>(
  all: readonly T[],
  tokens: number,
  show: (each: T) => object | Promise<object>,
): Promise<object[]> {
  const shown: object[] = [];
  let left = tokens;
  for (const each of all) {
    const value = await show(each);
    left -= costOf(value);
    if (left < 0 && shown.length > 0) break;
    shown.push(value);
  }
  return shown;
}
