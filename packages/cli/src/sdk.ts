// TEMPORARY
const wireErrors = {} as Record<string, { retry: boolean }>;
type WireReason = string;

/**
 * What goes wrong on our side of the wire. (What a relay refuses is the other family: protocol/errors.ts. It reaches the
 * caller as `refused` with the relay's `reason`.) `exit` is the exit code of the command line; `retry` means that the same
 * call may succeed later.
 */
export const localErrors = {
  usage: { exit: 2, retry: false },
  bad_username: { exit: 2, retry: false },
  bad_server: { exit: 2, retry: false },
  insecure_server: { exit: 2, retry: false },
  several_agents: { exit: 2, retry: false },
  bad_fingerprint: { exit: 2, retry: false },
  not_registered: { exit: 3, retry: false },
  already_registered: { exit: 1, retry: false },
  relay_unreachable: { exit: 4, retry: true },
  relay_protocol: { exit: 5, retry: false },
  refused: { exit: 5, retry: false },
  message_too_large: { exit: 1, retry: false },
  expired: { exit: 1, retry: false },
  failed: { exit: 1, retry: false },
  blocked: { exit: 1, retry: false },
  unknown_contact: { exit: 1, retry: false },
  unknown_message: { exit: 1, retry: false },
  home_unwritable: { exit: 1, retry: false },
  disk_full: { exit: 1, retry: true },
  store_busy: { exit: 1, retry: true },
  store_newer: { exit: 1, retry: false },
  store_damaged: { exit: 1, retry: false },
  identity_changed: { exit: 6, retry: false },
  device_changed: { exit: 6, retry: false },
  device_replaced: { exit: 6, retry: false },
  fingerprint_mismatch: { exit: 6, retry: false },
  timeout: { exit: 7, retry: true },
  aborted: { exit: 1, retry: true },
  closed: { exit: 1, retry: false },
  internal: { exit: 1, retry: false },
} as const satisfies Record<string, { exit: number; retry: boolean }>;

/** The stable word of a local error. */
export type ErrorCode = keyof typeof localErrors;

/** An error of the SDK. `message` is one sentence that says what is wrong, `hint` one that says what to do. */
export class AgentError extends Error {
  override name = "AgentError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** Of `refused`: the relay's word. Of `failed`: the reason that the other side or the link gave. */
  readonly reason: string | undefined;
  /** Milliseconds after which to try again, if the relay said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      hint?: string | undefined;
      reason?: string | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
    this.reason = more.reason;
    this.retryAfterMs = more.retryAfterMs;
  }

  /** Whether the same call may succeed later without anything being changed. */
  shouldRetry(): boolean {
    if (this.code !== "refused") return localErrors[this.code].retry;
    return this.reason !== undefined && Object.hasOwn(wireErrors, this.reason)
      ? wireErrors[this.reason as WireReason]!.retry
      : false;
  }
}
// What @aimessage/sdk/node exports (the lead implements it; code against this). "@aimessage/sdk" exports the same types.

export interface OpenOptions {
  username?: string; // which agent of this machine; may be omitted while `home` has exactly one (else several_agents / not_registered)
  server?: string; // needed to register; afterwards remembered. ws(s)://, http(s):// accepted, with or without /ws
  home?: string; // default: $AIMESSAGE_HOME or ~/.aimessage
  create?: boolean; // default true: register when there is no such agent; false: throws not_registered
  insecure?: boolean; // allow ws:// beyond loopback (else insecure_server)
  role?: string; // a word that names this process to others that wait for the link, e.g. "listen"
  signal?: AbortSignal;
}
export declare function listAgents(home?: string): Promise<string[]>; // usernames in this home, sorted
export declare function defaultHome(): string;

export declare class Agent implements AsyncDisposable {
  /** Registers once, then loads. */
  static open(options: OpenOptions): Promise<Agent>;
  /** Registers; refuses (already_registered) if the agent exists in this home. */
  static register(options: OpenOptions & { username: string; server: string }): Promise<Agent>;
  readonly username: string;
  readonly fingerprint: string; // 52 base32 characters in groups of four, separated by spaces
  readonly server: string;
  readonly folder: string; // its directory
  /** Durable in the outbox when it resolves; the link sends it. `to` is NAME or NAME#FINGERPRINT. */
  send(to: string, body: string | Uint8Array, options?: SendOptions): Promise<Sent>;
  messages(options?: { share?: boolean; from?: string; signal?: AbortSignal }): AsyncIterable<Message>;
  status(id: string): Promise<MessageStatus | undefined>;
  inbox(): Promise<InboxEntry[]>; // consumes nothing
  users(options?: Wait): Promise<string[]>;
  contacts(): Promise<Contact[]>;
  /** Accepts what the contact shows now after a changed key; with a fingerprint only if it matches. */
  trust(address: string, options?: Wait): Promise<Contact>;
  block(username: string): Promise<Contact>;
  allow(username: string): Promise<Contact>;
  /** Without a fingerprint: returns the contact (looks it up and pins it if it is unknown). With one: compares, marks as verified, or throws fingerprint_mismatch. */
  verify(username: string, fingerprint?: string, options?: Wait): Promise<Contact>;
  unregister(options?: Wait & { release?: boolean }): Promise<void>; // at the relay, then deletes the local folder
  diagnose(options?: Wait): Promise<Diagnosis>; // never throws for things it can report
  alerts(): Promise<Alert[]>; // security events and losses, oldest first
  onAlert(listener: (alert: Alert) => void): () => void;
  onLink(listener: (event: { state: "connected" | "reconnecting" | "waiting"; detail: string }) => void): () => void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
export interface Wait {
  timeout?: number /* ms, default 30000 */;
  signal?: AbortSignal;
}
export interface SendOptions {
  contentType?: string;
  replyTo?: string;
  thread?: string;
  expiresIn?: number /* ms */;
  messageId?: string;
}
export interface Sent {
  readonly id: string;
  readonly to: string;
  /** On the relay's disk. Resolves with the status (its `delivered` says whether the recipient was listening). Rejects: refused, identity_changed, expired, failed, timeout, relay_unreachable ... */
  stored(options?: Wait): Promise<MessageStatus>;
  received(options?: Wait): Promise<MessageStatus>;
  handled(options?: Wait): Promise<MessageStatus>;
  status(): Promise<MessageStatus>;
}
export type MessageState = "queued" | "stored" | "received" | "handled" | "expired" | "refused" | "failed";
export interface MessageStatus {
  id: string;
  to: string;
  state: MessageState;
  reason?: string;
  delivered?: boolean; // the relay handed it to a listening connection at once
  createdAt: number;
  updatedAt: number;
  expiresAt?: number; // Unix ms
}
export interface Message {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly sentAt: number;
  readonly receivedAt: number; // Unix ms
  readonly offline: boolean;
  readonly verified: boolean;
  readonly replyTo?: string;
  readonly thread?: string;
  readonly expiresAt?: number;
  reply(body: string | Uint8Array, options?: SendOptions): Promise<Sent>;
  handled(): Promise<void>;
  failed(reason: string): Promise<void>;
}
export interface InboxEntry {
  id: string;
  from: string;
  to: string;
  body: string;
  content_type: string;
  sentAt: number;
  receivedAt: number;
  offline: boolean;
  verified: boolean;
  state: "unhandled" | "handled" | "failed";
} // `body` "" once deleted
export interface Contact {
  username: string;
  fingerprint: string;
  verified: boolean;
  blocked: boolean;
  stopped?: "identity_changed" | "device_changed"; // hard stop
  newFingerprint?: string; // what it shows now, if stopped by identity_changed
  pinnedAt: number;
  deviceCounter: number;
}
export interface Alert {
  at: number;
  kind: string;
  contact?: string;
  text: string;
}
export interface Diagnosis {
  checks: {
    name: "home" | "store" | "link" | "relay" | "protocol" | "login" | "clock" | "keys" | "contacts" | "outbox";
    ok: boolean;
    text: string;
    hint?: string;
  }[];
  limits?: Record<string, number>;
  versions: Record<string, string>;
}
