/** What the rest of the agent knows of an MLS group of many, a team. Members are known by their leaf: its index, and what stands in it. */
import type { Group } from "./seam.ts";

/** A leaf of a group's tree. The certificate is its credential, and not parsed here. */
export interface Leaf {
  index: number;
  certificate: Uint8Array;
  signatureKey: Uint8Array;
}

/** A change that is to be committed. Settings stand alone (see {@link TeamCommit}). */
export interface Change {
  /** Leaf indices. */
  remove?: readonly number[];
  /** Key packages. */
  add?: readonly Uint8Array[];
  /** The new value of the settings' extension. */
  settings?: Uint8Array;
}

/** One proposal of a commit, in plain words. */
export type TeamProposal =
  | { kind: "add"; certificate: Uint8Array; signatureKey: Uint8Array }
  /** `node` is the encoded leaf node that goes, or undefined if there is none. */
  | { kind: "remove"; leaf: number; node: Uint8Array | undefined }
  /** `settings` is undefined if it would leave other extensions than the settings' one. */
  | { kind: "settings"; settings: Uint8Array | undefined }
  /** Every other one, and each that stands there by reference. */
  | { kind: "other" };

/** What a commit would do, told before it is done. Its signature is verified. */
export interface TeamCommit {
  /** That it ends. */
  epoch: number;
  committer: Leaf;
  proposals: TeamProposal[];
  /** Whether it brings new keys, and if so, whether its new leaf says of its owner what the old one said. */
  path: "none" | "same" | "changed";
  authenticatedData: Uint8Array;
  removesUs: boolean;
}

/** Says why a commit may not be, or undefined. It is asked before anything of the commit is done. */
export type Judge = (commit: TeamCommit, before: Group) => Promise<string | undefined>;

/** What became of another member's commit. */
export type Followed =
  | { kind: "applied"; commit: TeamCommit; group: Group; consumed: Uint8Array[] }
  /** It is right, and removes us: nothing of what follows can be read. */
  | { kind: "removed"; commit: TeamCommit }
  | { kind: "refused"; commit: TeamCommit; reason: string }
  /** Its committer has signed it, and the judge has nothing against it, but it does not work. */
  | { kind: "unusable"; commit: TeamCommit; cause: Error };

/** A commit of our own. `pending` is the group after it, without any key of the epoch that it ends. */
export interface OwnCommit {
  pending: Group;
  commit: Uint8Array;
  /** If somebody is added. */
  invitation: Invitation | undefined;
}

/** What those need that a commit adds: each its own Welcome, in the order in which they were added, and all of them the tree. */
export interface Invitation {
  welcomes: { ref: string; welcome: Uint8Array }[];
  /** Sealed: its key is in the Welcomes. */
  tree: Uint8Array;
}

/** A message that was read. */
export interface TeamMessage {
  group: Group;
  /** In whose name it was encrypted and signed: as the leaf stood in the message's epoch. */
  sender: Leaf;
  epoch: number;
  plaintext: Uint8Array;
  authenticatedData: Uint8Array;
  consumed: Uint8Array[];
}

/**
 * Messages that a member of a team encrypts in one epoch, at most. An epoch of a team can be long, and receipts are no messages of it, so it is
 * more than that of pairs; a receiver takes at most as many steps of a ratchet, some 40 ms of them.
 */
export const TEAM_EPOCH_MESSAGES = 2_000;
