/** What the page asks of the place where agents live, and what it is told: values of JSON alone, so that it may be another process. */

import type { Found } from "@aimessage/sdk";
import type { Given } from "./methods.ts";

/** Why something could not be done, in the words of the command line. */
export interface Problem {
  code: string;
  message: string;
  hint?: string;
}

/** An agent, and what waits for its owner. Of one that cannot be opened only `problem` is known. */
export interface AgentView {
  name: string;
  /** Messages that wait for a handler. */
  unread: number;
  /** Questions of others that nobody has answered. */
  questions: number;
  /** What was sent and is not at the relay, for whatever reason. */
  stuck: number;
  dead: number;
  /** Requests, invitations, changed keys and pairings: what only the owner can decide. */
  decisions: number;
  /** `ended`, with its problem: there will be none, as when another device has taken the agent over. */
  link: { state: "connected" | "reconnecting" | "waiting" | "unknown" | "ended"; detail: string; problem?: Problem };
  problem?: Problem;
}

export interface ConversationView {
  /** A name, or `@GROUP`. */
  with: string;
  /** Unix milliseconds, as all times here. */
  at: number;
  messages: number;
  unread: number;
  verified: boolean;
  stopped: boolean;
}

export type Tier = "unknown" | "known" | "verified" | "trusted";

export interface FileView {
  name: string;
  bytes: number;
  /** Of a file that was sent: how far it is, and why no further. */
  state?: string;
  done?: number;
  reason?: string;
}

/** A message, or an alert where it came. */
export interface LineView {
  kind: "came" | "sent" | "alert";
  id: string;
  /** Of a message that has come: what its sender calls it. */
  peerId?: string;
  at: number;
  from: string;
  body: string;
  /** Characters of it that are not shown here. */
  more: number;
  /** It is no text, or its text is kept no longer: what is shown instead of it. */
  instead?: string;
  state: string;
  reason?: string;
  /** Of a message that will never be handled: what to do. */
  hint?: string;
  /** Of a message to a group: how many of how many have it, and have handled it. */
  counts?: { all: number; received: number; handled: number; failed: number };
  expectsReply: boolean;
  /** What it answers: the `id` of a message that was sent, or the `peerId` of one that came. */
  replyTo?: string;
  verified: boolean;
  tier: Tier;
  human: boolean;
  files: FileView[];
}

export interface ContactView {
  name: string;
  fingerprint: string;
  tier: Tier;
  verified: boolean;
  blocked: boolean;
  stopped?: "identity_changed" | "device_changed";
  newFingerprint?: string;
}

export interface RequestView {
  name: string;
  fingerprint: string;
  messages: number;
  at: number;
}

/** What waits for a person, by kind. */
export interface TodoView {
  requests: RequestView[];
  /** Contacts of which more has come than the guards let through. */
  guarded: { name: string; messages: number; at: number }[];
  invitations: GroupView[];
  questions: LineView[];
  dead: LineView[];
  changed: ContactView[];
  pairings: PairingView[];
  /** What has not left, and how many have left and are not handled yet. */
  outbox: { id: string; to: string; at: number; reason?: string; files: FileView[] }[];
  away: number;
}

export interface PairingView {
  id: string;
  by: { name: string; fingerprint: string };
}

export interface GroupView {
  name: string;
  about: string;
  state: "active" | "invited" | "founding";
  members: string[];
  inviter?: string;
  isAdmin: boolean;
  isLapsed: boolean;
}

export interface MemberView {
  name: string;
  isAdmin: boolean;
  isSelf: boolean;
  tier: Tier;
  verified: boolean;
  isChanged: boolean;
}

export interface HealthView {
  checks: { name: string; ok: boolean; text: string; hint?: string }[];
  versions: Record<string, string>;
  limits: Record<string, number>;
  alerts: { at: number; kind: string; text: string; count: number }[];
  /** The last 24 hours, the oldest first. Latencies from send to handled in milliseconds, where something was handled. */
  hours: { at: number; came: number; sent: number; p50?: number; p95?: number }[];
}

/** Which file of which message. */
export interface FileAsked {
  agent: string;
  id: string;
  index: number;
}

/** A file that the page gives. */
export interface FileGiven {
  name: string;
  type: string;
  blob: Blob;
}

/** What each method gives back. What it takes stands in {@link methods}. */
export interface Answers {
  agents: AgentView[];
  conversations: ConversationView[];
  lines: LineView[];
  whole: { body: string };
  send: { id: string };
  reply: { id: string };
  settle: null;
  todo: TodoView;
  shown: LineView[];
  decide: { messages: number };
  dead: null;
  outbox: null;
  contacts: ContactView[];
  contact: ContactView;
  verify: ContactView;
  card: { fingerprint: string; line?: string };
  pair: { line: string; id: string; expiresAt: number };
  takeLine: { with: string; state: string };
  pairing: null;
  groups: GroupView[];
  members: MemberView[];
  group: null;
  search: Found[];
  health: HealthView;
}

export type Method = keyof Answers;

/** The place where agents live. */
export interface Back {
  /** @throws BackError */
  call<M extends Method>(method: M, given: Given<M>, files?: FileGiven[]): Promise<Answers[M]>;
  /** A file of a message that has come, whole. @throws BackError */
  file(given: FileAsked): Promise<Blob>;
  /** Names of agents of which something has changed, as it does; "" where that may be all of them. Ends when `signal` aborts. @throws BackError */
  changes(signal: AbortSignal): AsyncIterable<string>;
}

/** The code of a place that is over for good: nothing is asked there any more. */
export const ENDED = "ended";

export class BackError extends Error {
  override name = "BackError";
  readonly code: string;
  readonly hint: string | undefined;
  constructor({ code, message, hint }: Problem) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
