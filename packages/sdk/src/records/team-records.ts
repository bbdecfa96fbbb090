/** Records of teams: what their owner calls them, the groups that serve them, their members, and changes that are wanted of them. */

import type { RelayFrameData } from "../protocol/index.ts";

/** `team/<key>`: a team of this agent's, as one addresses it. Its key is 16 bytes in hex, which it keeps for life. */
export interface TeamRecord {
  key: string;
  /** By its settings in the last epoch that is known here. */
  name: string;
  /** What it is called here: its own name, or where another one has that, with a number behind it. It has one from when the owner is in it. */
  alias?: string;
  about: string;
  founded_at: number;
  /** Lower case, in order of rank. */
  admins: string[];
  /** All of them, in lower case. */
  members: string[];
  /** The MLS group that is sent in. */
  group: string;
  /** Since when it is known here. Unix ms. */
  since: number;
  /** Whoever has added us; and that the owner has taken its invitation. */
  inviter?: string;
  accepted?: true;
  /** founding: the relay has not admitted it yet. invited: the owner has not accepted it. over: we are no member any more. */
  state: "founding" | "invited" | "active" | "over";
  /** Since when it is over. Unix ms. */
  over_at?: number;
  /** When we began to found it anew last, by the relay's clock. Unix ms. */
  founded_anew_at?: number;
  /** Accounts of which a commit has come that did not open, and when that was last. Unix ms. */
  unopened?: Record<string, number>;
}

/** `team-group/<group id>`: an MLS group that serves a team; its state has records of its own. */
export interface TeamGroupRecord {
  id: string;
  key: string;
  /** The key that its settings have, where that was another team's before. */
  shared?: string;
  /** stuck: it cannot be followed any more. replaced: another serves its team, and this one is only read. closed: nothing of it is read. */
  state: "founding" | "open" | "stuck" | "replaced" | "closed";
  closed_at?: number;
  /** SHA-256 (base64) of our leaf node: by it we are taken in again where the rest is lost. */
  leaf?: string;
  epoch: number;
  send_counter: number;
  /** Highest counter of what was sent to each alone: who hears us first behind that has nothing of before to look for. */
  alone?: number;
  /** What it was when the epoch began. */
  base: number;
  created_at: number;
  /** The id of the commit that ended the epoch before. */
  ended_by?: string;
  /** That of one that has ended this one and put us in our own place anew: its Welcome is to come. */
  put_anew?: string;
  /** The epoch under whose number the names of the present members stand, if anything was sent to these. */
  roster_epoch?: number;
  /** Our clock at its beginning, Unix ms. */
  entered_at?: number;
  /** When we give ourselves new keys next, and whether we have done so before; when we last had some, and since when we want some. Our clock. */
  heals_at?: number;
  healed?: true;
  healed_at?: number;
  wants_keys_at?: number;
  /** Of one that was founded anew: by whom. */
  founder?: string;
  /** Since when another serves its team. Our clock. */
  replaced_at?: number;
  /** Nothing is encrypted before the group has reached this epoch. */
  wait_for_epoch: number;
  /** How long we have listened while it waits for it (ms), and when the relay refused the epoch before, by its clock (Unix ms). */
  waited?: number;
  refused_at?: number;
  /** Lower-case names of those whom we saw sign a forbidden commit. */
  accused?: string[];
  /** The secret of direct frames of the epoch before (base64): what is under way is still read. */
  direct_before?: { epoch: number; secret: string };
}

/** Counters of messages in a row that have not come: the first and the last. */
export type Gap = [first: number, last: number];

/** `team-member/<group id>/<username>`: what has come from another member, and what of ours it has. */
export interface TeamMemberRecord {
  name: string;
  /** By which all of this was counted: another one counts from the beginning. Missing: nothing of it has come. */
  device?: string;
  /** Highest counter of its messages that was read, and those below it that were not. */
  receive_counter: number;
  gaps?: Gap[];
  /** Up to here nothing of its was looked for, since it was said before the first epoch in which it was heard: it knows what of that was for us. */
  since?: number;
  /** Highest counter of our messages that it has said it has. */
  confirmed?: number;
  /** Counters below that which it lacks, as it has said last. */
  lacks?: number[];
  /** Counter of direct frames to it; those up to `direct_since` were made before it or we came, or came back, and are closed to it. */
  direct_out: number;
  direct_since?: number;
  /** Highest counter of those from it that was read, and those below it that were not. Missing: its record was lost, and where they go on is not known. */
  direct_in?: number;
  direct_gaps?: number[];
  /** Some of them were not read, since too much that led to nothing had come in its name. */
  unread?: true;
  /** Up to here some never came: it is asked for what became of our messages. When it was last, and when it was last told the same. Our clock, Unix ms. */
  unheard?: number;
  asked_at?: number;
  told_at?: number;
  /** When something readable came of it last, to the day; and when it was last seen to have got new keys. Our clock, Unix ms. */
  heard_at?: number;
  keys_at?: number;
}

/** `to/<out seq>/<username>`: what became of a message to a team at one of those whom it was for, once that is more than `stored`. */
export interface ToRecord {
  state: "missing" | "received" | "handled" | "failed" | "refused" | "expired" | "gone";
  reason?: string;
  /** Of what is missing: how often it was sent again to this one alone, when last (Unix ms), and the place of that in the outbox, where it may still wait. */
  times?: number;
  at?: number;
  copy?: number;
  /** Its files, by their places: `fetched`, or why they were not. Missing: they may still be. */
  files?: Record<string, string>;
}

/** Changes that the link wants by itself. */
type LinkOpKind = "release" | "readmit" | "rejoin" | "update" | "refound";

/**
 * `op/<seq>`: a change of a team that is to be made. The owner's, until it is done or has failed; and the link's own: another member's
 * will to leave (`release`) or to be taken in again (`readmit`), our own to be (`rejoin`), new keys of ours (`update`), and the team anew,
 * with its members (`refound`).
 */
export interface OpRecord {
  seq: number;
  kind: "create" | "add" | "remove" | "promote" | "demote" | "rename" | "leave" | LinkOpKind;
  /** Of the team; of `create` the one that it will have; of a `rejoin` from another device's store there is none. */
  key: string;
  /** Of the link's own: the MLS group. */
  group?: string;
  /** What the member has signed (base64). */
  statement?: string;
  /** Of `create` and `rename`. */
  name?: string;
  about?: string;
  /** Lower case. */
  names: string[];
  /** Their key packages are kept in `op-keys/`: one commit does not add all of them, or it is made later. */
  keys_kept?: true;
  /** Some of them are added. */
  began?: true;
  at: number;
}

/** `op-keys/<seq>`: key packages of those whom a change is still to add: all were claimed before the first commit left. */
export interface OpKeysRecord {
  keys: RelayFrameData<"keys">[];
}

/** `op-end/<seq>`: what became of a change, for whoever waits for it. */
export interface OpEndRecord {
  at: number;
  /** Why it has failed, and whom that is about. */
  reason?: string;
  who?: string;
  /** Some of it was made before. */
  in_part?: true;
}

/**
 * `roster/<group id>/<epoch>`: the members of a team, ourselves left out, from an epoch on in which something was sent, until they change. In
 * lower case. `roster-row/<group id>/<epoch>/<out seq>`: what was sent to these.
 */
export interface RosterRecord {
  /** Names, and how the identity key of each begins. */
  whom: [name: string, by: string][];
}

/** `team-news/<seq>`: a change of a team that was made: who made it, and what it is. */
export interface TeamNewsRecord {
  key: string;
  at: number;
  by?: string;
  added?: string[];
  removed?: string[];
  left?: string[];
  promoted?: string[];
  demoted?: string[];
  /** What it was called before. */
  before?: string;
}

/** `order/<group id>/<epoch>`: how far the order of messages in an epoch of a team is known. [P-15.8] */
export interface OrderRecord {
  /** The last place up to which it is. */
  pos: number;
  /** Messages of ours whose place the relay has not said: as many places may be theirs. */
  open: number;
  /** What has come before something that has its place before it: how many, and the last place of these; and places of ours that wait likewise. */
  waits?: number;
  last?: number;
  own?: number[];
  /** What a member has seen further on (its hash in base64): what it says is judged when we are there. */
  claim?: { name: string; pos: number; hash: string };
  /** Something was withheld: nothing more is known of this epoch. */
  lost?: true;
}

/** `order-wait/<group id>/<epoch>/<place>`: what waits for the place before it to be known. */
export interface OrderWaitRecord {
  sender: string;
  id: string;
  /** SHA-256 of the ciphertext (base64). */
  digest: string;
}

/** `team-held/<key>/<seq>`: a message that came before; as it was inside the encryption it is `team-held-body/<key>/<seq>`. */
export interface TeamHeldRecord {
  from: string;
  /** As its sender spells it. */
  from_name: string;
  /** The identity that has sent it. */
  identity_key: string;
  offline: boolean;
  bytes: number;
}
