import * as fc from "fast-check";
import { type TeamPlan, teamFrames } from "./team-plans.ts";
import { mostly, pick, weighed } from "./values.ts";

/** A frame before it is known to whom, in which group, and from which place: see {@link Plan}. */
export type FramePlan = SendPlan | CommitPlan | ReceivedPlan | TeamPlan | OtherPlan;
type Repeat = "fresh" | "same" | "changed" | "none";
type Expires = "none" | "past" | "soon" | "later" | "far";

export interface SendPlan {
  type: "send";
  to: number;
  group: number;
  /** To the other member of the group. */
  right: boolean;
  /** Beside the group's present one. */
  epoch: number;
  repeat: Repeat;
  expires: Expires;
  resume: boolean;
  /** Bytes that the body has more. */
  size: number;
  session: string | undefined;
}
export interface CommitPlan {
  type: "commit";
  opens: boolean;
  peer: number;
  group: number;
  epoch: number;
  repeat: Repeat;
  members: "right" | "swapped" | "device" | "third" | "self" | "none" | "many";
  welcomes: number;
  messages: Expires[];
}
interface ReceivedPlan {
  type: "received";
  /** Beside the highest place that was pushed. */
  offset: number;
  log: boolean;
}
export interface AuthenticatePlan {
  type: "authenticate";
  step: "ask" | "answer" | "wrong" | "other" | "old";
  name: number;
}
export interface RegisterPlan {
  type: "register";
  how: "taken" | "repeat" | "signature" | "relay" | "name" | "device" | "token" | "key";
  name: number;
}
export interface PublishPlan {
  type: "publish_keys";
  count: number;
  repeat: boolean;
  lastResort: boolean;
  replace: boolean | undefined;
}
export interface BlobPlan {
  type: "blob";
  repeat: Repeat;
  bytes: number;
  readers: number;
  hash: "right" | "short" | "odd";
  ttl: number | undefined;
}
type OtherPlan =
  | BlobPlan
  | { type: "blob_delete"; blob: number }
  | AuthenticatePlan
  | RegisterPlan
  | PublishPlan
  | { type: "listen" | "heartbeat" | "info" | "list_users" }
  | { type: "lookup"; name: number }
  | { type: "claim_keys"; name: number; another: boolean | undefined }
  | { type: "peers"; allow: number[]; block: number[]; clear: "allow" | "block" | "all" | undefined }
  | { type: "key_exchange" | "key_response"; to: number; size: number }
  | { type: "unregister"; release: boolean | undefined };

const expires = mostly<Expires>(8, "none", "past", "soon", "soon", "later", "far");
const epoch = mostly(6, 0, -1, -1, -2, 1, 2 ** 40);
const right = mostly<boolean>(8, true, false);

export const frames = weighed<FramePlan>(
  [24, teamFrames],
  [
    30,
    fc.record({
      type: fc.constant("send" as const),
      to: pick,
      group: pick,
      right,
      epoch,
      repeat: mostly<Repeat>(4, "fresh", "same", "changed", "none"),
      expires,
      resume: mostly<boolean>(3, true, false),
      size: mostly(20, 0, 1, 200, 2000, 20_000),
      session: mostly<string | undefined>(12, undefined, "", "session", "x".repeat(256), "\u{fffd}\0"),
    }),
  ],
  [
    8,
    fc.record({
      type: fc.constant("commit" as const),
      opens: fc.boolean(),
      peer: pick,
      group: pick,
      epoch,
      repeat: mostly<Repeat>(8, "fresh", "same", "changed"),
      members: mostly<CommitPlan["members"]>(6, "right", "swapped", "device", "third", "self", "none", "many"),
      welcomes: mostly(8, 1, 0, 2),
      messages: fc.array(expires, { maxLength: 3 }),
    }),
  ],
  [
    14,
    fc.record({
      type: fc.constant("received" as const),
      offset: mostly(8, 0, -1, -2, 1, 2, 1e6, -1e9),
      log: mostly<boolean>(12, true, false),
    }),
  ],
  [4, fc.constant({ type: "listen" as const })],
  [3, fc.constant({ type: "heartbeat" as const })],
  [2, fc.constant({ type: "info" as const })],
  [2, fc.constant({ type: "list_users" as const })],
  [3, fc.record({ type: fc.constant("lookup" as const), name: pick })],
  [
    3,
    fc.record({
      type: fc.constant("claim_keys" as const),
      name: pick,
      another: mostly<boolean | undefined>(3, undefined, true, false),
    }),
  ],
  [
    2,
    fc.record({
      type: fc.constant("publish_keys" as const),
      count: fc.nat({ max: 4 }),
      repeat: fc.boolean(),
      lastResort: fc.boolean(),
      replace: mostly<boolean | undefined>(3, undefined, true, false),
    }),
  ],
  // Blocks are rare, and forgotten soon: between those who have blocked each other nothing happens any more.
  [
    1,
    fc.record({
      type: fc.constant("peers" as const),
      allow: fc.array(pick, { maxLength: 4 }),
      block: mostly<number[]>(8, [], [1], [2, 3]),
      clear: mostly<"allow" | "block" | "all" | undefined>(1, "block", "allow", "all", undefined),
    }),
  ],
  [2, fc.record({ type: fc.constant("key_exchange" as const), to: pick, size: mostly(6, 44, 0, 8192, 8193) })],
  [1, fc.record({ type: fc.constant("key_response" as const), to: pick, size: mostly(6, 44, 0, 8192, 8193) })],
  [
    1,
    fc.record({
      type: fc.constant("blob" as const),
      repeat: mostly<Repeat>(4, "fresh", "same", "changed"),
      // Beyond what one may have, too.
      bytes: mostly(6, 1000, 1, 100_000, 0, -1, 2 ** 23, 2 ** 23 + 1, 2 ** 53),
      readers: mostly(8, 1, 1000, 0, 1001),
      hash: mostly<BlobPlan["hash"]>(8, "right", "short", "odd"),
      ttl: mostly<number | undefined>(3, undefined, 1, 60_000, 2 ** 53),
    }),
  ],
  [1, fc.record({ type: fc.constant("blob_delete" as const), blob: pick })],
  [
    3,
    fc.record({
      type: fc.constant("authenticate" as const),
      step: fc.constantFrom<AuthenticatePlan["step"][]>("ask", "answer", "answer", "wrong", "other", "old"),
      name: pick,
    }),
  ],
  [
    2,
    fc.record({
      type: fc.constant("register" as const),
      how: fc.constantFrom<RegisterPlan["how"][]>("taken", "taken", "repeat", "signature", "relay", "name"),
      name: pick,
    }),
  ],
  // Each costs a derivation or a device, and takes a name.
  [
    0.06,
    fc.record({
      type: fc.constant("register" as const),
      how: fc.constantFrom<RegisterPlan["how"][]>("device", "device", "token", "key"),
      name: pick,
    }),
  ],
  [
    0.04,
    fc.record({
      type: fc.constant("unregister" as const),
      release: mostly<boolean | undefined>(1, true, false, undefined),
    }),
  ],
);
