import * as z from "zod/mini";
import { isBase64 } from "./bytes.ts";
import { Id, Invite, Username } from "./names.ts";
import { optional } from "./optional.ts";

/** Version of this protocol; `info` lists what a relay speaks. */
export const PROTOCOL_VERSION = 1;

/** The MLS cipher suite of version 1, by name: its number is not registered yet. */
export const CIPHER_SUITE = "MLS_256_XWING_AES256GCM_SHA512_Ed25519";

const Base64 = z.string().check(z.refine(isBase64));
const Name = z.string().check(z.maxLength(64));
const Millis = z.int().check(z.nonnegative());
const Seq = z.int().check(z.nonnegative());
const Epoch = z.int().check(z.nonnegative());
/** A group's id: 32 random bytes in lower-case hex. */
export const GroupId = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** An encrypted file's name at a relay, which has chosen it: 16 random bytes in lower-case hex. */
export const BlobId = z.string().check(z.regex(/^[0-9a-f]{32}$/));

/** A lone surrogate is no Unicode and has no UTF-8: it becomes U+FFFD at once, and not only where the text is stored. */
const Text = z.string().check(z.overwrite((text) => text.toWellFormed()));

/** A key, and room to spare: it is pushed to somebody who has not asked for it. */
const KeyExchange = z.object({
  to: Name,
  public_key: z.string().check(z.maxLength(8192)),
  session_id: z._default(z.string().check(z.maxLength(256)), ""),
});

/** A key package has 2,693 bytes, a Welcome of two 4,395. */
const KeyPackage = Base64.check(z.maxLength(8_192));
const Welcome = Base64.check(z.maxLength(16_384));

/** The largest commit or tree that lies in a file: of a thousand members either has less than two million. */
const MOST_BODY_BYTES = 8 * 2 ** 20;

/** A member of a group, by its device. */
const Member = z.object({ username: Name, device: Id });
const Members = z.array(Member).check(z.maxLength(1000));
/** Members that one commit adds: more is forbidden by a team's rules, and those who follow it have to read all of their names. [P-15.3] */
const Added = z.array(Member).check(z.maxLength(200));

/**
 * A commit or a tree: base64 of up to 64 KiB, or the encrypted file at the relay in which it lies, with its read token, and what the relay
 * compares it with.
 */
const Body = z.union([
  Base64.check(z.maxLength(87_384)),
  z.object({
    blob: BlobId,
    token: Base64.check(z.maxLength(64)),
    bytes: z.int().check(z.positive(), z.maximum(MOST_BODY_BYTES)),
    sha256: Base64.check(z.length(44)),
  }),
]);

/** What a member signs to leave a team, or to be taken in again. [P-15] */
const Statement = z.object({ group_id: GroupId, statement: Base64.check(z.maxLength(1024)) });

/** Key packages that are claimed at once. */
const CLAIMS_AT_ONCE = 50;

/** Names in one `peers` frame, of each kind. */
const PEERS_AT_ONCE = 500;
const Peers = optional(z.array(Username).check(z.maxLength(PEERS_AT_ONCE)));

const Empty = z.optional(z.nullable(z.looseObject({})));

/** Data of each frame that a client sends, by its type. Unknown fields are ignored. */
export const clientFrames = {
  /** A token account if there is no `identity_key`; else a key account, or a new device of one. */
  register: z.object({
    // Length and characters are judged by the handler: they have error strings of their own.
    username: z._default(z.string(), ""),
    identity_key: optional(Base64),
    device: optional(z.object({ id: Id, key: Base64, certificate: Base64 })),
    key_packages: optional(z.array(KeyPackage).check(z.maxLength(100))),
    last_resort: optional(KeyPackage),
    /** The relay's name as the client knows it, and the device key's signature of `registrationBytes`. */
    relay: optional(z.string().check(z.maxLength(300))),
    signature: optional(Base64),
    /** Where a relay takes new names by invite alone. */
    invite: optional(Invite),
  }),
  /**
   * First without `challenge` (token account) or `signature` (key account): asks for a challenge. Then with one of them:
   * the sealed challenge, or the device key's signature of `loginBytes`.
   */
  authenticate: z.object({
    username: z._default(z.string(), ""),
    token: optional(z.string()),
    challenge: optional(z.string()),
    device: optional(Id),
    relay: optional(z.string().check(z.maxLength(300))),
    counter: optional(z.int().check(z.positive())),
    signature: optional(Base64),
  }),
  /** Without `to`: to all members of a team. `direct`: to one of them. */
  send: z.object({
    to: optional(Name),
    direct: optional(z.literal(true)),
    message: Text,
    session_id: optional(Text.check(z.maxLength(256))),
    group_id: optional(GroupId),
    epoch: optional(Epoch),
    message_id: optional(Id),
    expires_at: optional(Millis),
    /** Lifts `send_blocked`: the sender has seen the refusal and sends again in order. */
    resume: optional(z.boolean()),
  }),
  listen: Empty,
  list_users: Empty,
  heartbeat: Empty,
  key_exchange: KeyExchange,
  key_response: KeyExchange,
  info: Empty,
  lookup: z.object({ username: Name }),
  publish_keys: z.object({
    key_packages: z._default(z.array(KeyPackage).check(z.maxLength(100)), []),
    last_resort: optional(KeyPackage),
    /** Packages that were published before are not handed out any more. */
    replace: optional(z.boolean()),
  }),
  /** `another`: the one that the claimant holds is not acceptable. `usernames`: of each of these. */
  claim_keys: z.union([
    z.object({ username: Name, another: optional(z.boolean()) }),
    z.object({ usernames: z.array(Name).check(z.minLength(1), z.maxLength(CLAIMS_AT_ONCE)) }),
  ]),
  /** Teams in which the account has a device. */
  groups: Empty,
  leave: Statement,
  rejoin: Statement,
  /**
   * Of two: epoch 0 opens a conversation; any later epoch is ended by `commit`. Of a team: epoch 1 founds it, by `members`; any later
   * epoch is ended by `body`, which may `add` and `remove`.
   */
  commit: z.object({
    commit_id: Id,
    group_id: GroupId,
    epoch: Epoch,
    team: optional(z.literal(true)),
    members: optional(Members),
    add: optional(Added),
    remove: optional(Members),
    body: optional(Body),
    tree: optional(Body),
    commit: optional(Base64),
    welcomes: optional(z.array(z.object({ to: Name, device: Id, welcome: Welcome })).check(z.maxLength(1000))),
    /** Application messages in the new epoch, in order. */
    messages: optional(
      z
        .array(z.object({ to: Name, message: Base64, message_id: Id, expires_at: optional(Millis) }))
        .check(z.maxLength(100)),
    ),
  }),
  /** Cumulative. Answered only if it has an id, or if it is refused. */
  received: z.object({ log_id: z.string().check(z.maxLength(64)), seq: Seq }),
  /**
   * Whom the account's owner has written to or accepted, and whom it has blocked. `clear` forgets one list or both, before
   * the names are added. A name that is in both lists is blocked.
   */
  peers: z.object({ clear: optional(z.enum(["allow", "block", "all"])), allow: Peers, block: Peers }),
  /** Room for an encrypted file of `bytes`, which `readers` may fetch by the token whose SHA-256 is `read_hash`. */
  blob: z.object({
    request_id: Id,
    bytes: z.int().check(z.positive()),
    readers: z.int().check(z.positive(), z.maximum(1000)),
    read_hash: Base64.check(z.length(44)),
    ttl_ms: optional(z.int().check(z.positive())),
  }),
  blob_delete: z.object({ blob: BlobId }),
  /** Removes the account that is logged in; `release` lets its name be registered again. */
  unregister: z.optional(z.nullable(z.object({ release: optional(z.boolean()) }))),
} as const;

/** A commit or a tree as frames carry it. */
export type FrameBody = z.output<typeof Body>;

export type ClientFrameType = keyof typeof clientFrames;
export type ClientFrameData<T extends ClientFrameType> = z.output<(typeof clientFrames)[T]>;
/** A frame from a client, checked. */
export type ClientFrame = {
  [T in ClientFrameType]: { type: T; id: string | undefined; data: ClientFrameData<T> };
}[ClientFrameType];
/** What a client writes: the data before defaults. */
export type ClientFrameInput<T extends ClientFrameType> = z.input<(typeof clientFrames)[T]>;
