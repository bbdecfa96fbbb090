/** A web service that handles messages: `listen --webhook`. */
import { createHmac } from "node:crypto";
import type { Message } from "@aimessage/sdk/node";
import { messageJson, type MessageJson } from "../message.ts";
import type { Ended, Handle, Handling } from "./work.ts";

/** Whom it helps to ask again, though it has refused. */
const LATER = new Set([408, 425, 429]);
const GONE = 410;
/** The longest pause that a service may ask for. Milliseconds. */
const LONGEST_PAUSE_MS = 3_600_000;

export interface WebhookOptions {
  url: URL;
  /** Milliseconds for an answer. */
  timeout: number;
  /** Bytes of an answer that are read. */
  largest: number;
  headers: Record<string, string>;
  /** Signs what is sent, as the Standard Webhooks specification has it. */
  secret: Buffer | undefined;
  /** JSON in whose strings placeholders such as {{body}} are filled in; undefined: the body as it is. */
  template: unknown;
}

/** Posts messages. 2xx: handled. 410: a dead letter. Retry-After is heeded; no redirect is followed. */
export function byWebhook(options: WebhookOptions): Handle {
  return (message, handling) => post(message, options, handling);
}

async function post(message: Message, options: WebhookOptions, { signal, isAnswered }: Handling): Promise<Ended> {
  const { url, timeout, largest, template } = options;
  const filled = template === undefined ? undefined : JSON.stringify(fill(template, message));
  const body = filled === undefined ? message.bytes : Buffer.from(filled);
  const type = filled === undefined ? message.contentType : "application/json";
  const deadline = AbortSignal.timeout(timeout);
  try {
    const response = await fetch(url, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers: {
        ...about(message),
        "content-type": type,
        ...signed(message, body, options.secret),
        ...options.headers,
      },
      redirect: "manual",
      signal: AbortSignal.any([signal, deadline]),
    });
    return await meaningOf(response, isAnswered ? largest : undefined);
  } catch (error) {
    if (signal.aborted) return { kind: "given up" };
    const why = deadline.aborted ? `no answer in ${timeout / 1000} s` : reasonOf(error);
    return { kind: "again", reason: why, counts: !deadline.aborted && isOurs(error) };
  }
}

/** What Node refuses to send, now or later: of what has failed on its way it names another cause. */
function isOurs(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } };
  return cause === undefined || ["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"].includes(cause.code ?? "");
}

/** @param largest Bytes of an answer that somebody waits for; undefined: nobody does. */
async function meaningOf(response: Response, largest: number | undefined): Promise<Ended> {
  const { status } = response;
  if (response.ok && largest === undefined) {
    await response.body?.cancel();
    return { kind: "done", output: Buffer.alloc(0) };
  }
  if (response.ok && largest !== undefined) {
    const output = await read(response, largest);
    if (output === undefined) return { kind: "never", reason: `an answer of more than ${largest} bytes` };
    return { kind: "done", output };
  }
  await response.body?.cancel();
  const reason = `HTTP ${status}`;
  if (status === GONE) return { kind: "never", reason };
  const afterMs = pauseOf(response.headers.get("retry-after"));
  const counts = status < 500 && !LATER.has(status);
  return { kind: "again", reason, counts, ...(afterMs === undefined ? {} : { afterMs }) };
}

async function read(response: Response, largest: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > largest) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * Seconds, or a date in GMT (RFC 9110, sections 5.6.7 and 10.2.3), in milliseconds from now. A time that is over is none: the service's
 * clock may be behind ours.
 */
export function pauseOf(text: string | null, now = Date.now()): number | undefined {
  if (text === null) return undefined;
  const isDate = /^[A-Z][a-z]+, .* GMT$/.test(text);
  const ms = /^[0-9]+$/.test(text) ? Number(text) * 1000 : isDate ? Date.parse(text) - now : Number.NaN;
  return ms > 0 ? Math.min(ms, LONGEST_PAUSE_MS) : undefined;
}

/** What Node says beneath `fetch failed`. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string } };
  return cause?.code ?? message;
}

function about(message: Message): Record<string, string> {
  const { from, group, id, peerId, thread, replyTo, verified, attempt, expectsReply, human } = message;
  return {
    "aimessage-from": from,
    ...(group === undefined ? {} : { "aimessage-group": group }),
    "aimessage-id": id,
    "aimessage-peer-id": peerId,
    ...(thread === undefined ? {} : { "aimessage-thread": thread }),
    ...(replyTo === undefined ? {} : { "aimessage-reply-to": replyTo }),
    "aimessage-trust": message.trust,
    "aimessage-verified": String(verified),
    "aimessage-attempt": String(attempt),
    "aimessage-expects-reply": String(expectsReply),
    "aimessage-human": String(human),
    ...(message.files.length === 0 ? {} : { "aimessage-files": filesHeader(message) }),
  };
}

/** Characters of a header: services take some thousand of all of them. */
const HEADER = 4_096;

/** `report.pdf;bytes=1200000, data.csv;bytes=4`, names as in URLs: as many as have room. */
function filesHeader({ files }: Message): string {
  const all = files.map(({ name, bytes }) => `${encodeURIComponent(name)};bytes=${bytes}`);
  while (all.length > 1 && all.join(", ").length > HEADER) all.pop();
  return all.join(", ");
}

/** Standard Webhooks 1.0: the id is the same at each attempt, so that a receiver knows a repeat. */
function signed(message: Message, body: Uint8Array, secret: Buffer | undefined): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const named = { "webhook-id": message.id, "webhook-timestamp": timestamp };
  if (secret === undefined) return named;
  return { ...named, "webhook-signature": signatureOf({ id: message.id, timestamp, body }, secret) };
}

/** What a receiver compares: HMAC-SHA-256 of id, time in Unix seconds and body. */
export function signatureOf(posted: { id: string; timestamp: string; body: Uint8Array }, secret: Buffer): string {
  const { id, timestamp, body } = posted;
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest("base64")}`;
}

/** A secret as its owner writes it: `whsec_` and base64, as the specification has it, or any text. */
export function secretBytes(text: string): Buffer {
  return text.startsWith("whsec_") ? Buffer.from(text.slice(6), "base64") : Buffer.from(text);
}

/** Every key that a message may have. One that it has not is empty. */
const KEYS: ReadonlySet<string> = new Set<keyof MessageJson>([
  "message_id",
  "peer_id",
  "from",
  "to",
  "group",
  "body",
  "body_base64",
  "content_type",
  "sent_at",
  "received_at",
  "offline",
  "verified",
  "trust",
  "expects_reply",
  "human",
  "late",
  "reply_to",
  "thread",
  "headers",
  "files",
]);

/** Each placeholder once: what a message says is no placeholder. */
function fill(template: unknown, message: Message): unknown {
  if (typeof template === "string") {
    const values = new Map<string, unknown>(Object.entries(messageJson(message)));
    if (message.files.length > 0)
      values.set(
        "files",
        message.files.map(({ name, bytes }) => ({ name, bytes })),
      );
    const valueOf = (name: string): string => {
      const value = values.get(name) ?? "";
      return typeof value === "string" ? value : JSON.stringify(value);
    };
    return template.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => (KEYS.has(name) ? valueOf(name) : whole));
  }
  if (Array.isArray(template)) return template.map((each) => fill(each, message));
  if (typeof template !== "object" || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fill(value, message)]));
}
