/** What programs say by `aimessage pipe`, and hear: JSON-RPC 2.0, an object a line. docs/pipe.schema.json is made of this. */
import * as z from "zod/mini";
import { MOST_FILES } from "../most-files.ts";
import { groupMethods, Recipients } from "./pipe-group-schema.ts";

const Text = z.string();
const Id = z.string().check(z.minLength(1));
const Millis = z.int().check(z.nonnegative());
const optional = <T extends z.ZodMiniType>(schema: T) => z.optional(schema);

/** Text, or bytes in base64: one of the two. */
const body = { body: optional(Text), body_base64: optional(z.base64()) };
const kind = {
  thread: optional(Text),
  content_type: optional(Text),
  headers: optional(z.record(Text, Text)),
};

/** Paths of files, whole or from the root of files on. */
const files = { files: optional(z.array(Text).check(z.maxLength(MOST_FILES))) };

/** Of a message to a group: the answer is for its sender alone. */
const privately = optional(z.boolean());

const Tier = z.enum(["unknown", "known", "verified", "trusted"]);

/** A file that has come with a message. */
const File = z.object({
  /** As it is saved: safe on every system. */
  name: Text,
  bytes: z.int(),
  /** Media type, by its sender's word. */
  type: optional(Text),
  sha256: Text,
  /** Of `save`: where it is, whole, or why it is not there. */
  path: optional(Text),
  error: optional(Text),
  /** The error's code, for which `error` may be the reason. */
  code: optional(Text),
});
/** A file that was sent: how much of it has left, and why it waits or has failed. */
const SentFile = z.object({
  name: Text,
  bytes: z.int(),
  done: z.int(),
  state: z.enum(["waits", "up", "fetched", "failed"]),
  /** Of a message to a group: how many have it. */
  fetched: optional(z.int()),
  reason: optional(Text),
});

export const Message = z.object({
  /** Ours, by which methods know it. */
  message_id: Id,
  /** Its sender's. */
  peer_id: Id,
  from: Text,
  to: Text,
  /** The group that it was sent to, if it was to one; a reply goes to all of it. */
  group: optional(Text),
  /** Null if the body is not UTF-8 text: then `body_base64` has it. */
  body: z.nullable(Text),
  body_base64: optional(z.base64()),
  content_type: Text,
  sent_at: z.number(),
  received_at: z.number(),
  offline: z.boolean(),
  verified: z.boolean(),
  /** How far the owner trusts its sender now. `verified`: as of when it came. */
  trust: Tier,
  expects_reply: optional(z.literal(true)),
  /** A person has written it, by its sender's word. No method here marks what it sends so. */
  human: optional(z.literal(true)),
  late: optional(z.literal(true)),
  reply_to: optional(Text),
  thread: optional(Text),
  headers: optional(z.record(Text, Text)),
  files: optional(z.array(File)),
  attempt: optional(z.int()),
  /** Of `inbox`: what became of it. */
  state: optional(Text),
  reason: optional(Text),
});
const Status = z.object({
  message_id: Id,
  to: Text,
  status: z.enum(["queued", "stored", "received", "handled", "expired", "refused", "failed"]),
  reason: optional(Text),
  sent_at: z.number(),
  updated_at: z.number(),
  expires_at: optional(z.number()),
  /** Of `status`: it is queued until the relay has them. */
  files: optional(z.array(SentFile)),
  /** Of `status` and `wait`, of a message to a group: how it is at each member. */
  recipients: optional(Recipients),
});
const Contact = z.object({
  username: Text,
  fingerprint: Text,
  verified: z.boolean(),
  tier: Tier,
  blocked: z.boolean(),
  stopped: optional(Text),
});
const Request = z.object({
  username: Text,
  fingerprint: Text,
  messages: z.int(),
  first_at: z.number(),
  last_at: z.number(),
});
const Nothing = z.object({});
/** A list is as long as a line may be: what is missing is asked for by `before`, or `after`, what is here. */
const more = optional(z.literal(true));

interface Method {
  about: string;
  params: z.ZodMiniType;
  result: z.ZodMiniType;
}

export const methods = {
  send: {
    about:
      "Puts a message into the outbox: it is on disk when this is answered, and sent as soon as possible; with files when all of them are at the relay. The body may be missing then.",
    params: z.strictObject({
      to: Text,
      ...body,
      ...files,
      ...kind,
      reply_to: optional(Text),
      expires_in_ms: optional(Millis),
      /** An id of one's own: sent again under it after a crash, it is one message. */
      message_id: optional(Id),
    }),
    result: z.object({ message_id: Id, to: Text }),
  },
  ask: {
    about:
      "Sends a question; answered by its reply. An error says by `data.message_id` which question `resume` waits for.",
    params: z.strictObject({
      to: optional(Text),
      ...body,
      ...files,
      ...kind,
      timeout_ms: optional(Millis),
      resume: optional(Id),
    }),
    result: Message,
  },
  reply: {
    about: "Answers a message; one to a group to all of it, or `privately` to its sender.",
    params: z.strictObject({ message_id: Id, ...body, ...files, ...kind, privately }),
    result: z.object({ message_id: Id, to: Text }),
  },
  handled: {
    about: "A message is handled, and, in the same transaction, answered by `body` and `files`, if there are any.",
    params: z.strictObject({ message_id: Id, ...body, ...files, ...kind, privately }),
    result: Nothing,
  },
  failed: {
    about: "A message will not be handled: a dead letter, whose sender hears the reason.",
    params: z.strictObject({ message_id: Id, reason: optional(Text) }),
    result: Nothing,
  },
  retry: {
    about: "A message comes again, after a while.",
    params: z.strictObject({ message_id: Id, reason: optional(Text), after_ms: optional(Millis) }),
    result: Nothing,
  },
  save: {
    about:
      "Fetches the files of a message, handled or not, or those of the name `file`, into the folder `dir`, below the root of files; default: the root. It settles nothing.",
    params: z.strictObject({
      message_id: Id,
      file: optional(Text),
      dir: optional(Text),
      /** Larger ones are not fetched; default 1 GiB. */
      max_bytes: optional(z.int().check(z.nonnegative())),
    }),
    result: z.object({ files: z.array(File) }),
  },
  status: {
    about: "What became of a message that was sent.",
    params: z.strictObject({ message_id: Id }),
    result: Status,
  },
  wait: {
    about:
      "Answered when a message that was sent is `received`, or `handled`, of one to a group by all of its members, or by `at_least` so many; an error says why it never will be, or that the time (30 s) is out.",
    params: z.strictObject({
      message_id: Id,
      state: z.enum(["received", "handled"]),
      at_least: optional(z.int().check(z.positive())),
      timeout_ms: optional(Millis),
    }),
    result: Status,
  },
  inbox: {
    about:
      "What was received, the newest `last`, oldest first; consumes nothing. With `more` they have filled a line: older ones come `before` the first of these.",
    params: z.strictObject({ last: optional(z.int().check(z.positive())), before: optional(Id) }),
    result: z.object({ messages: z.array(Message), more }),
  },
  sent: {
    about:
      "What was sent and has not ended yet, or, with `all`, whatever is known, oldest first. With `more` older ones come `before` the first of these.",
    params: z.strictObject({ all: optional(z.boolean()), before: optional(Id) }),
    result: z.object({ messages: z.array(Status), more }),
  },
  "contacts.list": {
    about: "Whom this agent knows, by name. With `more` others come `after` the last of these.",
    params: z.strictObject({ after: optional(Text) }),
    result: z.object({ contacts: z.array(Contact), more }),
  },
  "contacts.show": { about: "One of them.", params: z.strictObject({ username: Text }), result: Contact },
  "requests.list": {
    about: "Strangers whose messages wait for the owner's consent, which a person gives: aimessage requests.",
    params: Nothing,
    result: z.object({ requests: z.array(Request) }),
  },
  "requests.show": {
    about: "One of them. A program never gets what it has sent.",
    params: z.strictObject({ username: Text }),
    result: Request,
  },
  ...groupMethods,
  users: { about: "Who is online.", params: Nothing, result: z.object({ users: z.array(Text) }) },
  whoami: {
    about: "This agent, and the longest line, read or written, in characters.",
    params: Nothing,
    result: z.object({ username: Text, fingerprint: Text, server: Text, largest_body: z.int(), line: z.int() }),
  },
  subscribe: {
    about:
      "Messages come as notifications from now on, those that waited first: so many at a time that are not settled.",
    params: z.strictObject({ from: optional(Text), window: optional(z.int().check(z.positive(), z.maximum(256))) }),
    result: Nothing,
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;
export type Params<M extends MethodName> = z.output<(typeof methods)[M]["params"]>;
export type Result<M extends MethodName> = z.input<(typeof methods)[M]["result"]>;

export const notifications = {
  message: { about: "A message to handle.", params: Message },
  state: { about: "A message that was sent is in another state.", params: Status },
  progress: {
    about: "How far a file is that is sent (up) or saved (down): the place in its message, from 0, and bytes.",
    params: z.object({
      message_id: Id,
      file: z.int(),
      name: Text,
      direction: z.enum(["up", "down"]),
      done: z.int(),
      bytes: z.int(),
    }),
  },
  alert: {
    about: "Something that the agent's owner should know.",
    params: z.object({ kind: Text, contact: optional(Text), text: Text, at: z.number() }),
  },
  link: {
    about: "How it stands with the relay.",
    params: z.object({ state: z.enum(["connected", "reconnecting", "waiting"]), detail: Text }),
  },
} as const;
export type NotificationName = keyof typeof notifications;

/** Codes of errors. Below -32000 those of JSON-RPC 2.0; `data.code` is the stable word, as of the command line. */
export const codes = { parse: -32700, request: -32600, method: -32601, params: -32602, failed: -32000 } as const;

function of(schema: z.ZodMiniType): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema as never) as { $schema?: string };
  return rest;
}

/** All of it as a JSON Schema (2020-12). */
export function pipeSchema(): object {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "aimessage pipe",
    description: "JSON-RPC 2.0 over stdin and stdout, UTF-8, one object a line.",
    methods: Object.fromEntries(
      Object.entries(methods).map(([name, { about, params, result }]) => [
        name,
        { description: about, params: of(params), result: of(result) },
      ]),
    ),
    notifications: Object.fromEntries(
      Object.entries(notifications).map(([name, { about, params }]) => [
        name,
        { description: about, params: of(params) },
      ]),
    ),
    errors: codes,
  };
}
