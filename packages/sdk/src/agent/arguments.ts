/** Arguments of the SDK's callers: the one edge where they are checked. Inside, types are trusted. */
import { Headers, MOST_FILES } from "../crypto/content.ts";
import { AgentError } from "../errors.ts";
import { Invite } from "../protocol/index.ts";
import { LATELY_MS } from "../records/outbox-records.ts";

import * as z from "zod/mini";

/** The longest span that is counted from now: far beyond what relays keep, and within what a Date holds. Milliseconds. */
const LONGEST_MS = 100 * 365 * 86_400_000;

/** What a message may say of its exchange, but for the one that it is itself. */
const MOST_EXCHANGE = 999_999;
const Millis = z.int().check(z.nonnegative(), z.maximum(LONGEST_MS));
const Whole = z.int().check(z.positive(), z.maximum(1_000_000_000));
const Text = z.string();
const Signal = z.custom<AbortSignal>((value) => typeof (value as AbortSignal | null)?.addEventListener === "function");
const optional = <T extends z.ZodMiniType>(schema: T) => z.optional(schema);
const matching = (pattern: RegExp) => Text.check(z.regex(pattern));

const Limit = optional(z.nullable(z.int().check(z.nonnegative())));

/** A path, or a stream with a name. */
const File = z.union([
  Text.check(z.minLength(1)),
  z.object({
    path: Text.check(z.minLength(1)),
    name: optional(Text),
    type: optional(matching(/^[\x20-\x7e]{1,128}$/)),
    root: optional(Text.check(z.minLength(1))),
  }),
  z.object({
    stream: z.custom<AsyncIterable<Uint8Array>>((value) => Symbol.asyncIterator in Object(value)),
    name: Text.check(z.minLength(1)),
    type: optional(matching(/^[\x20-\x7e]{1,128}$/)),
    bytes: optional(z.int().check(z.nonnegative())),
  }),
]);

const waiting = {
  /** Zero: look once. */
  timeout: optional(z.number().check(z.nonnegative(), z.maximum(LONGEST_MS))),
  signal: optional(Signal),
};
const fetching = {
  // As many as there are: infinite.
  maxBytes: optional(z.custom<number>((value) => typeof value === "number" && value >= 0)),
  onProgress: optional(z.custom<object>((value) => typeof value === "function")),
  signal: optional(Signal),
};
const listening = {
  share: optional(z.boolean()),
  ordered: optional(z.boolean()),
  once: optional(z.boolean()),
  from: optional(Text),
  signal: optional(Signal),
};

/** Each kind of argument: its shape, and by the name of what is wrong in it what would be right. */
const kinds = {
  text: z.object({ text: Text }),
  // Half a character would arrive as another one.
  body: z.object({
    body: z.custom<string | Uint8Array>((value) => (typeof value === "string" ? value.isWellFormed() : isBytes(value))),
  }),
  send: z.object({
    contentType: optional(matching(/^[\x20-\x7e]{1,128}$/)),
    replyTo: optional(matching(/^[A-Za-z0-9_-]{1,64}$/)),
    thread: optional(matching(/^[\x20-\x7e]{1,64}$/)),
    headers: optional(Headers),
    expiresIn: optional(Millis.check(z.positive())),
    sameWithin: optional(Millis.check(z.maximum(LATELY_MS))),
    messageId: optional(matching(/^(?!.*--[1-9]\d?$)[A-Za-z0-9_-]{1,60}$/)),
    byPerson: optional(z.boolean()),
    cause: optional(Text),
    exchange: optional(z.int().check(z.nonnegative(), z.maximum(MOST_EXCHANGE))),
    files: optional(z.array(File).check(z.maxLength(MOST_FILES))),
    onProgress: optional(z.custom<object>((value) => typeof value === "function")),
  }),
  save: z.object({ ...fetching, root: optional(Text.check(z.minLength(1))) }),
  stream: z.object(fetching),
  ask: z.object({ timeout: Millis.check(z.positive()) }),
  wait: z.object(waiting),
  reach: z.object({ atLeast: optional(Whole) }),
  leave: z.object({ ...waiting, release: optional(z.boolean()) }),
  listen: z.object(listening),
  handle: z.object({
    ...listening,
    attempts: optional(Whole),
    firstRetryMs: optional(Millis),
    lastRetryMs: optional(Millis),
    concurrency: optional(Whole.check(z.maximum(1_000))),
  }),
  group: z.object({ about: Text.check(z.maxLength(512)) }),
  policy: z.object({ policy: z.enum(["open", "contacts", "closed"]) }),
  tier: z.object({ tier: z.enum(["known", "verified", "trusted"]) }),
  guards: z.strictObject({
    messages_per_hour: Limit,
    bytes_per_day: Limit,
    answers_per_exchange: Limit,
    answers_per_day: Limit,
  }),
  handler: z.object({ handler: z.custom<object>((value) => typeof value === "function") }),
  retry: z.object({ reason: Text, delay: Millis, counts: z.boolean() }),
  pair: z.object({
    for: optional(Text),
    yes: optional(z.boolean()),
    invite: optional(Invite),
  }),
  invite: z.object({ invite: optional(Invite) }),
  look: z.object({ last: optional(Whole), before: optional(Text), all: optional(z.boolean()) }),
  pending: z.object({
    after: optional(Text),
    from: optional(Text),
    limit: optional(Whole),
    bodies: optional(z.boolean()),
    expectsReply: optional(z.literal(true)),
  }),
  follow: z.object({ id: optional(Text), signal: optional(Signal) }),
};

const MILLIS = "whole milliseconds, 100 years at most";
const LIMIT = "a whole number from 0, or null for the default";
const HINTS: Record<string, string> = {
  text: "give a string",
  body: "give a string without unpaired surrogates, or a Uint8Array",
  contentType: "1 to 128 printable ASCII characters",
  replyTo: "the id of a message: 1 to 64 of A-Za-z0-9_-",
  thread: "1 to 64 printable ASCII characters",
  headers:
    "an object of 16 strings at most, 2048 bytes as JSON: keys of A-Za-z0-9_.-, values without control characters",
  expiresIn: `${MILLIS}, from now on, at least 1`,
  sameWithin: "whole milliseconds, an hour at most",
  files: "16 at most: paths, or objects with a path, or with a stream and a name",
  onProgress: "give a function",
  maxBytes: "a number of bytes from 0, or Infinity",
  root: "the path of a folder",
  messageId:
    "1 to 60 of A-Za-z0-9_-, not ending in two dashes and a number of one or two digits, which names repeats of a message",
  about: "at most 512 characters",
  policy: "open, contacts or closed",
  tier: "known, verified or trusted",
  messages_per_hour: LIMIT,
  bytes_per_day: LIMIT,
  answers_per_exchange: LIMIT,
  answers_per_day: LIMIT,
  timeout: "milliseconds from 0, 100 years at most",
  atLeast: "how many recipients, a whole number from 1",
  signal: "give an AbortSignal",
  from: "give the name of a sender",
  attempts: "a whole number from 1",
  concurrency: "a whole number from 1 to 1000",
  firstRetryMs: MILLIS,
  lastRetryMs: MILLIS,
  delay: MILLIS,
  last: "a whole number from 1",
  limit: "a whole number from 1",
  bodies: "true or false",
  after: "the id of a message in the inbox",
  before: "the id of a message in the inbox",
  counts: "true or false",
  exchange: "`exchange` of a message, a whole number from 0",
  handler: "give a function",
  for: "give the name of an agent",
  invite: "1 to 128 of A-Za-z0-9_-, as `aimessage-server invite create` prints it",
};

/** @throws AgentError usage, if a caller's argument is not what it says it takes. `what` names it where its field does not */
export function check(kind: keyof typeof kinds, given: unknown, what: string = kind): void {
  const result = kinds[kind].safeParse(given);
  if (result.success) return;
  const field = String(result.error.issues[0]?.path[0] ?? "");
  const name = field === "text" || field === "" ? what : field;
  throw new AgentError("usage", `the ${name} given is not one`, {
    hint: HINTS[field] ?? "see the documentation of the SDK",
  });
}

/** Also those of another realm, as test runners and plugins have them. */
function isBytes(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Uint8Array]";
}
