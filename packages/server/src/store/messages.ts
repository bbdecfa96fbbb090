/** What lies in mailboxes, what devices ask to be put there, and what they are answered. */
import type { DeliveryKind, FrameBody } from "@aimessage/sdk/protocol";

/** Fields of frames, as the text of a JSON object, that many entries share. */
export interface Body {
  id: number;
  text: string;
}

/** One entry of a mailbox's log. */
export interface Entry {
  /** Rises within a mailbox, is never used again, may have gaps. */
  seq: number;
  mailbox: number;
  /** Username of the sender; of a notice, of the message's recipient. */
  from: string;
  device: string | undefined;
  kind: DeliveryKind;
  message: string;
  sessionId: string | undefined;
  groupId: string | undefined;
  epoch: number | undefined;
  messageId: string;
  /** Unix milliseconds. */
  expiresAt: number | undefined;
  storedAt: number;
  /** What the entry counts for in its mailbox. */
  bytes: number;
  status: "expired" | "refused" | "dropped" | undefined;
  reason: string | undefined;
  /**
   * Of a store that several relays share: the mailbox's highest `seq` before it that waits, 0 if none does. A relay may not have heard of that
   * yet, and what it hands out instead would have it deleted.
   */
  before?: number | undefined;
  /** Of a message to a team: its place within its epoch, from 1. */
  pos?: number | undefined;
  /** What it shares with others. */
  body?: Body | undefined;
}

/** A team in which an account has a device. */
export interface TeamOf {
  groupId: string;
  epoch: number;
  device: string;
  lapsed: boolean;
  /** It has left, and waits for a commit to remove it. */
  leaves: boolean;
}

export interface SendRequest {
  /** The sender's mailbox. */
  sender: number;
  /** Undefined: to all members of a team. */
  to: string | undefined;
  /** To one member of a team. */
  direct?: boolean;
  message: string;
  sessionId: string | undefined;
  groupId: string | undefined;
  epoch: number | undefined;
  messageId: string | undefined;
  expiresAt: number | undefined;
  /** What was refused in the group before is known, and holds this up no more. [P-6.5] */
  resume?: boolean;
}

export interface Sent {
  messageId: string;
  /** False if this is a repeat of a message that has left the mailbox since. */
  waiting: boolean;
  /** The recipient's mailbox, or that of each, is being pushed to a connection. */
  listening: boolean;
  /** Of a message to a team. */
  team?: TeamSent;
}

export interface TeamSent {
  /** Its place within its epoch, from 1. */
  pos: number;
  /** Recipients that are not listening. */
  offline: number;
  /** Members that get nothing: they have lapsed, or leave. Lower case. */
  lapsed: string[];
  /** For whom it was stored. */
  recipients: number;
}

/** A commit that was admitted. */
export interface Committed {
  /** The highest `seq` that waits in the sender's own mailbox. */
  highWater: number;
  /** The mailbox of each other member is being pushed to a connection. */
  listening: boolean;
  /** Of a team's: members that get nothing. Lower case. */
  lapsed?: string[];
}

export interface NamedDevice {
  username: string;
  device: string;
}

/** What a commit in a team brings beside what one of two does. */
export interface TeamChange {
  add: NamedDevice[];
  remove: NamedDevice[];
  /** The commit, and the tree for those who are added, as they go into frames. */
  body: FrameBody | undefined;
  tree: FrameBody | undefined;
}

/** What a member has signed: to leave a team, or to be taken in again. */
export interface StatementRequest {
  sender: number;
  groupId: string;
  kind: "leave" | "rejoin";
  /** Base64. */
  statement: string;
}

/** A statement for a member that listens. */
export interface Offer extends Omit<StatementRequest, "sender"> {
  /** Of the member that gets it. */
  mailbox: number;
  /** Whose it is. */
  username: string;
}

export interface CommitRequest {
  sender: number;
  commitId: string;
  groupId: string;
  epoch: number;
  members: NamedDevice[] | undefined;
  /** Of a team. */
  team?: TeamChange | undefined;
  /** False: files that it names are not what it says of them. */
  isAsSaid?: boolean;
  commit: string | undefined;
  welcomes: { to: string; device: string; welcome: string }[];
  messages: { to: string; message: string; messageId: string; expiresAt: number | undefined }[];
}
