import { MOST_FILES } from "../crypto/content.ts";
import { fromUtf8, isBase64, utf8 } from "../protocol/index.ts";
import { optional } from "../protocol/optional.ts";

import * as z from "zod/mini";

/** Ids and counters in one receipt, at most; the rest travels in the next. */
export const PER_RECEIPT = 500;
/** Groups that a receipt may name: a few are kept for a contact, and closed ones are named once more. */
export const GROUPS = 100;

/** Teams that a receipt tells of. */
export const TEAMS = 20;

const Ids = z.array(z.string().check(z.maxLength(64))).check(z.maxLength(PER_RECEIPT));
const MessageId = z.string().check(z.maxLength(64));
const Place = z.int().check(z.nonnegative(), z.maximum(MOST_FILES - 1));
const Counter = z.int().check(z.positive());

/** The body of a receipt. Cumulative `received`; everything else by id. */
const Receipt = z.object({
  /** For a group: everything up to this counter was read and is on disk, but for `missing`. */
  received: z._default(
    z
      .record(z.string().check(z.maxLength(64)), Counter)
      .check(z.refine((groups) => Object.keys(groups).length <= GROUPS)),
    {},
  ),
  handled: z._default(Ids, []),
  failed: z._default(
    z
      .array(
        z.object({
          id: z.string().check(z.maxLength(64)),
          reason: z.string().check(z.maxLength(1024)),
          /** It came too late. */
          expired: optional(z.literal(true)),
        }),
      )
      .check(z.maxLength(PER_RECEIPT)),
    [],
  ),
  /** Never arrived readably: send them again under the same id. */
  missing: z._default(
    z.array(z.object({ group: z.string().check(z.maxLength(64)), counter: Counter })).check(z.maxLength(PER_RECEIPT)),
    [],
  ),
  undecryptable: z._default(Ids, []),
  /** In a team: what is up to this counter was not looked for. It was sent before its receiver was there, or got lost. */
  since: optional(Counter),
  /** In a team: counters of mine under which you have nothing to get. */
  freed: optional(z.array(Counter).check(z.maxLength(PER_RECEIPT))),
  /** In a team: of direct frames up to this counter some never came: say once more what became of my messages; and up to which counter that is said. */
  unheard: optional(Counter),
  told: optional(Counter),
  /** Files of messages, by their places there, that are on disk, and those that could not be fetched. */
  fetched: optional(z.array(z.object({ id: MessageId, file: Place })).check(z.maxLength(PER_RECEIPT))),
  unfetched: optional(
    z
      .array(z.object({ id: MessageId, file: Place, reason: z.string().check(z.maxLength(64)) }))
      .check(z.maxLength(PER_RECEIPT)),
  ),
  /** Between two: how the present epoch of teams that both are in began, by the first 16 bytes of its authenticator. */
  teams: optional(
    z
      .array(
        z.object({
          group: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
          epoch: z.int().check(z.nonnegative()),
          start: z.string().check(z.length(24), z.refine(isBase64)),
        }),
      )
      .check(z.maxLength(TEAMS)),
  ),
});

export type Receipt = z.output<typeof Receipt>;

export function emptyReceipt(): Receipt {
  return { received: {}, handled: [], failed: [], missing: [], undecryptable: [] };
}

/** The part of a receipt that another identity may hear than the one that it was made for: send again what I could not read. */
export function withoutOutcomes(body: Uint8Array): Uint8Array | undefined {
  const { undecryptable = [] } = readReceipt(body) ?? {};
  const left: Receipt = { ...emptyReceipt(), undecryptable };
  return undecryptable.length === 0 ? undefined : utf8(JSON.stringify(left));
}

/** The part of a receipt that a member of a team hears by whose counters it does not speak: what it says by ids. */
export function withoutCounters(body: Uint8Array): Uint8Array {
  const { handled, failed, undecryptable, fetched, unfetched } = readReceipt(body) ?? emptyReceipt();
  return utf8(JSON.stringify({ ...emptyReceipt(), handled, failed, undecryptable, fetched, unfetched }));
}

/** The receipt in a message's body; undefined if it is malformed. */
export function readReceipt(body: Uint8Array): Receipt | undefined {
  try {
    const parsed = Receipt.safeParse(JSON.parse(fromUtf8(body) ?? ""));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
