/** What each method takes. The one edge where that is checked, whoever calls. */
import * as z from "zod/mini";
import type { Method } from "./port.ts";

const Name = z.string().check(z.minLength(1), z.maxLength(200));
const Id = z.string().check(z.minLength(1), z.maxLength(100));
const Body = z.string().check(z.maxLength(16_777_216));
const Names = z.array(Name).check(z.maxLength(1000));
const of = <T extends z.core.$ZodLooseShape>(shape: T) => z.strictObject({ agent: Name, ...shape });

export const methods = {
  agents: z.strictObject({}),
  conversations: of({}),
  /** The newest, before one of them or only some of them. `whole`: bodies are not cut, as for an export. */
  lines: of({
    with: Name,
    before: z.optional(Id),
    ids: z.optional(z.array(Id).check(z.maxLength(500))),
    whole: z.optional(z.boolean()),
  }),
  /** The text of a message: without `with` one that waits, or was given up. */
  whole: of({ with: z.optional(Name), id: Id }),
  /** A message, or with `asks` a question whose reply is a message of the conversation. */
  send: of({ to: Name, body: Body, asks: z.optional(z.boolean()) }),
  /** To a message that has come, which is handled by that. */
  reply: of({ id: Id, body: Body }),
  settle: of({ id: Id, as: z.enum(["handled", "failed"]), reason: z.optional(z.string().check(z.maxLength(500))) }),
  todo: of({}),
  /** What a stranger has sent that waits for consent. */
  shown: of({ name: Name, whole: z.optional(z.boolean()) }),
  decide: of({ name: Name, as: z.enum(["accept", "refuse", "block", "release"]) }),
  dead: of({ id: Id, as: z.enum(["redeliver", "discard"]) }),
  outbox: of({ id: Id, as: z.enum(["retry", "discard"]) }),
  contacts: of({}),
  /** `trust` takes the fingerprint that was shown: of what is shown since then nothing is trusted. */
  contact: of({
    name: Name,
    as: z.enum(["trust", "block", "allow", "known", "verified", "trusted"]),
    fingerprint: z.optional(z.string().check(z.maxLength(200))),
  }),
  /** Looks a contact up, or compares its fingerprint. */
  verify: of({ name: Name, fingerprint: z.optional(z.string().check(z.maxLength(200))) }),
  card: of({}),
  pair: of({ for: z.optional(Name) }),
  takeLine: of({ line: z.string().check(z.minLength(1), z.maxLength(2000)) }),
  pairing: of({ id: Id, as: z.enum(["accept", "refuse"]) }),
  groups: of({}),
  members: of({ group: Name }),
  group: of({
    group: Name,
    as: z.enum(["create", "add", "remove", "promote", "demote", "accept", "refuse", "leave"]),
    names: z.optional(Names),
    about: z.optional(z.string().check(z.maxLength(512))),
  }),
  search: of({ text: z.string().check(z.maxLength(1000)) }),
  health: of({}),
} satisfies Record<Method, z.ZodMiniType>;

export type Given<M extends Method> = z.infer<(typeof methods)[M]>;
