import * as z from "zod/mini";
import { isBase64 } from "./bytes.ts";
import { BlobId, GroupId } from "./client-frames.ts";
import { Id, Username } from "./names.ts";
import { optional } from "./optional.ts";

const Base64 = z.string().check(z.refine(isBase64));
const Count = z.int().check(z.nonnegative());
const Millis = z.int().check(z.nonnegative());
const Text = z.string().check(z.maxLength(1024));

/** What a relay says of its limits, so that clients refuse before they send. Bytes, counts and milliseconds. */
export const Limits = z.object({
  /** Largest frame after and before authentication; beyond it the connection is closed with 1009. */
  frame_bytes: Count,
  frame_bytes_unauthenticated: Count,
  /** Capacity of one mailbox. */
  mailbox_messages: Count,
  mailbox_bytes: Count,
  /** A stored message lives so long at most. */
  mailbox_age_ms: Millis,
  /** Pushed but not acknowledged, on one connection. */
  in_flight_messages: Count,
  in_flight_bytes: Count,
  /** Frames a second and burst for an account after authentication. 0: no limit. */
  frames_per_second: Count,
  frames_burst: Count,
  /** Unclaimed key packages of one device. */
  key_packages: Count,
  /** Largest encrypted file; absent where the relay takes none. */
  blob_bytes: optional(Count),
});
export type Limits = z.output<typeof Limits>;

/**
 * What a mailbox holds: an application message, an MLS Welcome or commit, or the relay's word on an earlier message; of a team also a frame
 * for one member alone, and what stands in the place of a message that has expired.
 */
export const DeliveryKind = z.enum(["application", "welcome", "commit", "notice", "direct", "stub"]);
export type DeliveryKind = z.output<typeof DeliveryKind>;

const Members = z.array(z.object({ username: Username, device: Id })).check(z.maxLength(1000));

/** A commit or a tree: base64, or where it lies. */
const Body = z.union([Base64, z.object({ blob: BlobId, token: Base64, bytes: Count, sha256: Base64 })]);

const Delivery = z.object({
  /** Empty in a notice about a recipient that is gone. */
  from: z.string().check(z.regex(/^[A-Za-z0-9_-]{0,32}$/)),
  /** Sender's device; absent if the sender is a token account or the relay. */
  device: optional(Id),
  /** A {@link DeliveryKind}, or one of a later version: such an entry is skipped, and acknowledged. [P-13.2] */
  kind: optional(z.string().check(z.maxLength(32))),
  message: z._default(z.string(), ""),
  session_id: optional(Text),
  group_id: optional(GroupId),
  epoch: optional(Count),
  message_id: Id,
  expires_at: optional(Millis),
  seq: Count,
  /** Unix seconds, as in the original. */
  timestamp: z.number(),
  /** Of a notice: what became of `message_id`, and why. */
  status: optional(z.enum(["expired", "refused", "dropped"])),
  reason: optional(Text),
  /** Of a message to a team: its place within its epoch, from 1. */
  pos: optional(Count.check(z.positive())),
  /** Of a stub: SHA-256 of the message that has expired. */
  sha256: optional(Base64.check(z.maxLength(44))),
  /** Of a team's commit: whom it adds and removes by the committer's word to the relay, and the commit itself. */
  add: optional(Members),
  remove: optional(Members),
  body: optional(Body),
  /** Beside a team's Welcome, sealed. */
  tree: optional(Body),
});
export type Delivery = z.output<typeof Delivery>;

const DeviceInfo = z.object({ id: Id, key: Base64, certificate: Base64 });
const Keys = z.object({
  username: Username,
  identity_key: Base64,
  device: DeviceInfo,
  key_package: Base64,
  last_resort: z.boolean(),
});
const KeyExchange = z.object({
  from: z.string(),
  to: optional(z.string()),
  public_key: z.string(),
  session_id: z.string(),
});

/** Data of each frame that a relay sends, by its type. Unknown fields are ignored. */
export const relayFrames = {
  registered: z.object({
    username: Username,
    /** Of a token account: 32 bytes in URL-safe base64, and 16 bytes in base64. */
    token: optional(z.string()),
    salt: optional(z.string()),
    device: optional(Id),
  }),
  /** `time` is the relay's clock in Unix milliseconds; `expires_at` fields are in it. */
  challenge: z.object({ challenge: z.string().check(z.maxLength(256)), timestamp: z.number(), time: Millis }),
  /**
   * The answer to everything that has no frame of its own. `status`: authenticated, listening, delivered, stored_offline,
   * committed, published, received, peers, blob, blob_deleted, left, rejoining, unregistered, ok, key_exchange_initiated,
   * key_response_forwarded.
   */
  ack: z.object({
    status: z.string().check(z.maxLength(64)),
    message_id: optional(z.string().check(z.maxLength(128))),
    /** Of `listening`: the mailbox log's id, renewed when a relay is restored from a backup. */
    log_id: optional(z.string().check(z.maxLength(64))),
    /** Of `listening`: the highest `seq` that any mailbox of this log was ever given. */
    last_seq: optional(Count),
    /** Of `listening` and `committed`: the highest `seq` of the device's own mailbox. */
    high_water: optional(Count),
    /** Of `listening` and `published`: unclaimed key packages at the relay, without the last resort. */
    key_packages: optional(Count),
    last_request: optional(z.string()),
    commit_id: optional(Id),
    /** Of `committed`: whether every other member was listening. */
    delivered: optional(z.boolean()),
    /** Of a message to a team: its place within its epoch, and how many of its recipients are not listening. */
    pos: optional(Count.check(z.positive())),
    offline: optional(Count),
    /** Of what is sent or committed in a team: members that get nothing of it until they are added anew. */
    lapsed: optional(z.array(Username).check(z.maxLength(1000))),
    /** Of `blob`: its name, the token by which it is uploaded, how much of it is there, and how much goes at once. */
    blob: optional(BlobId),
    token: optional(Base64.check(z.maxLength(64))),
    offset: optional(Count),
    piece_bytes: optional(Count.check(z.positive())),
    /** Until when it is kept: the relay's clock, Unix milliseconds. */
    expires_at: optional(Millis),
  }),
  message: Delivery,
  offline_message: Delivery,
  user_list: z.object({ users: z.array(z.string().check(z.maxLength(64))) }),
  key_request: KeyExchange,
  key_response: KeyExchange,
  /** Protocol version, the relay's own version, names that may be signed at login, clock, limits. */
  info: z.object({
    protocol: z.int(),
    version: Text,
    suite: Text,
    names: z.array(Text),
    time: Millis,
    features: z.array(Text),
    limits: Limits,
  }),
  agent: z.object({
    username: Username,
    kind: z.enum(["key", "token"]),
    identity_key: optional(Base64),
    device: optional(DeviceInfo),
  }),
  keys: Keys,
  /** The answer to `claim_keys` of several names: in their order, and why not of the others. */
  key_list: z.object({
    keys: z.array(Keys),
    refused: z.array(
      z.object({
        username: z.string(),
        reason: z.string().check(z.maxLength(64)),
        retry_after_ms: optional(Millis),
      }),
    ),
  }),
  /** Teams of the account: of each the epoch, the device that is in it, and whether that has lapsed, or leaves. */
  group_list: z.object({
    groups: z.array(
      z.object({ group_id: GroupId, epoch: Count, device: Id, lapsed: z.boolean(), leaves: optional(z.literal(true)) }),
    ),
  }),
  /** Unasked: a member wants to leave a team, or to be taken in again; a commit by whoever gets this does it. */
  statement: z.object({
    group_id: GroupId,
    kind: z.enum(["leave", "rejoin"]),
    username: Username,
    statement: Base64.check(z.maxLength(1024)),
  }),
  /** Unasked: the stock of key packages is low. */
  keys_low: z.object({ remaining: Count }),
  error: z.object({
    code: z.int(),
    message: Text,
    /** A word of the table in errors.ts; a newer relay may have others. */
    reason: z._default(z.string().check(z.maxLength(64)), "internal"),
    hint: optional(Text),
    retry_after_ms: optional(Millis),
    /** Of `login_counter` and `device_counter`: the highest that the relay knows. */
    highest: optional(Count),
    /** Of `device_replaced` at login: the certificate of the device that took its place. */
    certificate: optional(Base64),
    /** The request's `message_id` or `commit_id`. */
    message_id: optional(Id),
    commit_id: optional(Id),
    /** Of what is committed in a team, or said there to one member: whom it was refused for. */
    username: optional(z.string().check(z.maxLength(64))),
  }),
} as const;

export type RelayFrameType = keyof typeof relayFrames;
export type RelayFrameData<T extends RelayFrameType> = z.output<(typeof relayFrames)[T]>;
/** A frame from a relay, checked. */
export type RelayFrame = {
  [T in RelayFrameType]: { type: T; replyTo: string | undefined; data: RelayFrameData<T> };
}[RelayFrameType];
