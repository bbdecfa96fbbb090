import * as fc from "fast-check";
import { type FramePlan, frames } from "./frame-plans.ts";
import { mostly, odd, pick, weighed } from "./values.ts";

/**
 * What to send, before it is known to whom: which of the known users, groups and messages is a number, taken modulo how
 * many there are when it is sent. So the seed alone decides the plans, and the relay's answers only what fills them.
 */
export type Plan =
  | { do: "frame"; frame: FramePlan; id: IdPlan }
  | { do: "mutant"; frame: FramePlan; id: IdPlan; mutations: Mutation[]; text: TextMutation }
  | { do: "fragments"; frame: FramePlan; id: IdPlan; pieces: number; ping: boolean }
  | { do: "binary"; bytes: Uint8Array }
  | { do: "ping"; bytes: Uint8Array }
  | { do: "pong"; payload: PongPlan }
  | { do: "breach"; how: Breach }
  | { do: "close"; how: "normal" | "code" | "destroy" | "half" | "midway" };

export type IdPlan = "fresh" | "none" | "same" | "odd";
export type Breach = (typeof breaches)[number];
export type PongPlan = { offset: number } | { text: string };
export type Mutation =
  | { op: "type"; type: string }
  | { op: "drop"; field: number }
  | { op: "set"; field: number; value: unknown }
  | { op: "add"; name: string; value: unknown }
  | { op: "data"; value: unknown }
  | { op: "envelope"; name: string; value: unknown };
export type TextMutation =
  | { op: "none" }
  | { op: "truncate"; at: number }
  | { op: "twice"; field: number; value: unknown }
  | { op: "number"; text: string }
  | { op: "insert"; at: number; text: string }
  | { op: "shape"; shape: Shape; count: number; inside: boolean };
/** Shapes that cost more to read than their length shows: nests, fields, elements, all of them, or a number of many digits. */
export type Shape = "arrays" | "objects" | "fields" | "elements" | "both" | "digits";

/** What breaks the WebSocket itself, and ends the connection. */
export const breaches = [
  "utf8",
  "fragments",
  "oversize",
  "opcode",
  "rsv",
  "unmasked",
  "long control",
  "continuation",
  "close code",
] as const;

const id = mostly<IdPlan>(12, "fresh", "none", "same", "odd");
const NAMES = [
  ..."username to message group_id epoch message_id commit_id members welcomes messages commit device relay counter".split(
    " ",
  ),
  ..."signature challenge seq log_id expires_at resume key_packages identity_key last_resort public_key session_id".split(
    " ",
  ),
  ..."team direct add remove body tree usernames statement another release welcome token blob request_id bytes readers read_hash ttl_ms __proto__ constructor toString toJSON type id reply_to timestamp data".split(
    " ",
  ),
  "",
];
const TYPES = [
  ..."send commit received listen heartbeat info list_users lookup claim_keys publish_keys peers key_exchange".split(
    " ",
  ),
  ..."key_response authenticate register blob blob_delete groups leave rejoin ack message error registered keys".split(
    " ",
  ),
  ..."__proto__ constructor toString hasOwnProperty SEND unregister\0".split(" "),
  "",
];

const mutation = weighed<Mutation>(
  [3, fc.record({ op: fc.constant("type" as const), type: fc.constantFrom(...TYPES) })],
  [4, fc.record({ op: fc.constant("drop" as const), field: pick })],
  [8, fc.record({ op: fc.constant("set" as const), field: pick, value: odd })],
  [3, fc.record({ op: fc.constant("add" as const), name: fc.constantFrom(...NAMES), value: odd })],
  [1, fc.record({ op: fc.constant("data" as const), value: odd })],
  [
    2,
    fc.record({
      op: fc.constant("envelope" as const),
      name: fc.constantFrom("id", "reply_to", "timestamp", "type", "__proto__", "x"),
      value: odd,
    }),
  ],
);
const textMutation = weighed<TextMutation>(
  [8, fc.constant({ op: "none" as const })],
  [1, fc.record({ op: fc.constant("truncate" as const), at: pick })],
  [1, fc.record({ op: fc.constant("twice" as const), field: pick, value: odd })],
  [
    1,
    fc.record({
      op: fc.constant("number" as const),
      text: fc.constantFrom("1e999", "-1e999", "-0", "NaN", "Infinity", "01", "1.", "9".repeat(400)),
    }),
  ],
  [
    1,
    fc.record({
      op: fc.constant("insert" as const),
      at: pick,
      text: fc.constantFrom("\0", "\ufeff", "\ud800", "}", "[", "\\u0000", "\n", "/*", "\u2028"),
    }),
  ],
  [
    0.4,
    fc.record({
      op: fc.constant("shape" as const),
      shape: fc.constantFrom<Shape[]>("arrays", "objects", "fields", "elements", "both", "digits"),
      // On both sides of what is bounded, and far beyond it.
      count: fc.constantFrom(10, 16, 17, 63, 64, 65, 511, 513, 3_000, 30_000, 100_000),
      inside: fc.boolean(),
    }),
  ],
);
const bytes = fc.uint8Array({ maxLength: 125 });
const pong = weighed<PongPlan>(
  [3, fc.record({ offset: fc.constantFrom(0, 0, -1, 1, -100, 1e6) })],
  [
    1,
    fc.record({
      text: fc.constantFrom("seq:", "seq:NaN", "seq:-1", "seq:1e3", "seq:0x10", "seq:Infinity", "", "SEQ:1"),
    }),
  ],
);

const plan: fc.Arbitrary<Plan> = weighed<Plan>(
  [700, fc.record({ do: fc.constant("frame" as const), frame: frames, id })],
  [
    200,
    fc.record({
      do: fc.constant("mutant" as const),
      frame: frames,
      id,
      mutations: fc.array(mutation, { minLength: 1, maxLength: 3 }),
      text: textMutation,
    }),
  ],
  [
    30,
    fc.record({
      do: fc.constant("fragments" as const),
      frame: frames,
      id,
      pieces: fc.integer({ min: 2, max: 40 }),
      ping: fc.boolean(),
    }),
  ],
  [20, fc.record({ do: fc.constant("binary" as const), bytes })],
  [15, fc.record({ do: fc.constant("ping" as const), bytes })],
  [25, fc.record({ do: fc.constant("pong" as const), payload: pong })],
  [3, fc.record({ do: fc.constant("breach" as const), how: fc.constantFrom(...breaches) })],
  [
    7,
    fc.record({
      do: fc.constant("close" as const),
      how: fc.constantFrom("normal", "code", "destroy", "half", "midway"),
    }),
  ],
);

/** How a connection begins: as which account, if any, and whether it answers the relay's pings. */
export interface Opening {
  user: number;
  stranger: boolean;
  deaf: boolean;
}
const opening: fc.Arbitrary<Opening> = fc.record({
  user: pick,
  stranger: mostly<boolean>(14, false, true),
  deaf: mostly<boolean>(14, false, true),
});

/** The plans of one connection slot, without end: the same for the same seed. */
export function* plansOf(seed: number, slot: number): Generator<{ opening: Opening; plans: Plan[] }, never> {
  for (let batch = 0; ; batch++) {
    const own = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(slot + 1, 0x85ebca6b) ^ Math.imul(batch + 1, 0xc2b2ae35)) | 0;
    const [first] = fc.sample(opening, { seed: own, numRuns: 1 });
    yield { opening: first as Opening, plans: fc.sample(plan, { seed: own, numRuns: BATCH }) };
  }
}

/** Plans that are carried out before the answers are awaited. */
const BATCH = 48;
