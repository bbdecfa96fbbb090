/** What the rest of the agent knows of MLS (RFC 9420). States are values: every function takes one and returns the next. */

/** Decides whether a leaf may be in the group: its credential (an encoded device certificate) and its signature key. */
export type Authenticate = (credential: Uint8Array, signatureKey: Uint8Array) => Promise<boolean>;

/** What a device signs with, and what vouches for it. Keys are raw Ed25519: a seed and a public key of 32 bytes each. */
export interface LeafKeys {
  privateKey: Uint8Array;
  publicKey: Uint8Array;
  certificate: Uint8Array;
}

/** A group as one member holds it. Opaque: only this file looks inside, and not even its type tells what is there. */
export interface Group {
  readonly state: unknown;
}

/** A key package: what is published, what stays, the reference by which a Welcome names it (hex), and the extensions that it announces. */
export interface KeyPackagePair {
  ref: string;
  caps: readonly number[];
  public: Uint8Array;
  secret: Uint8Array;
}

/** What decrypting one message gave. */
export type Opened =
  | { kind: "application"; group: Group; plaintext: Uint8Array; authenticatedData: Uint8Array; consumed: Uint8Array[] }
  | { kind: "commit"; group: Group; consumed: Uint8Array[] };

/**
 * A part of a group's state: the small secrets; of the present and the previous epoch the ratchet tree, and the secret
 * tree's leaves, page by page. Only a page holds what opens messages.
 */
export type PartName =
  | readonly ["mls"]
  | readonly ["tree", epoch: number]
  | readonly ["ratchet", epoch: number, page: number];

/** What is to be done to what is kept of a group, so that it is the state. */
export interface PartsChanged {
  put: [PartName, Uint8Array][];
  remove: PartName[];
}

/** Reads a part where it is kept, when it is needed. */
export type PartReader = (name: PartName) => Promise<Uint8Array | undefined>;

/** The input is not acceptable in this state; the state is unchanged. */
export class GroupError extends Error {
  override name = "GroupError";
  /** Of a message that did not decrypt although it is of this group and epoch: steps of the ratchet that it has cost. */
  steps: number | undefined;
}

/**
 * Messages that a member encrypts in one epoch, at most; beyond them it waits for the next epoch. So this is also how far
 * ahead of a receiver's ratchet an honest message can be, however much before it was lost: a receiver goes no step further,
 * since each costs it a key derivation (some 20 us), also for a message that turns out to be nothing.
 *
 * Healing begins at 100 messages, sent and received, receipts included, and gives a conversation up at 200 if the relay does
 * not admit the commit. While the commit is under way two windows of 128 may leave; four hundred hold all of it, so that
 * nobody waits who need not. What was refused and is encrypted again has used its generations up, and counts twice.
 */
export const EPOCH_MESSAGES = 400;
