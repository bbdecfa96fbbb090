/** Records of conversations and of what changes their keys. */

/** `group/<group id>`: a conversation; its MLS state has records of its own (`group-state.ts`). */
export interface GroupRecord {
  id: string;
  contact: string;
  role: "opener" | "joiner";
  /**
   * opening: the relay has not admitted it yet. open: in use. replaced: read, but not sent in again. closed: neither;
   * kept so that a repeat of its Welcome is recognised, for as long as one could be read.
   */
  state: "opening" | "open" | "replaced" | "closed";
  epoch: number;
  /** The contact has answered: sent in a group that we opened, or we in theirs. */
  answered: boolean;
  created_at: number;
  send_counter: number;
  /** Since our own last commit. */
  messages_since_commit: number;
  committed_at: number;
  /** Nothing is encrypted before the group has reached this epoch. */
  wait_for_epoch: number;
  /** How long we have listened while it waits for it. Milliseconds. */
  waited?: number;
  /** When the relay refused the epoch before, by its clock (Unix ms). */
  refused_at?: number;
  /** Our commit for this epoch lost to another, which is on its way to us. */
  lost_commit?: { epoch: number };
  /** How long we have listened while new keys that are long due are not admitted, or those that were first do not come: which, and milliseconds. */
  unhealed?: { commit: string; waited: number };
  /** Groups that it replaces, named in the first message. */
  replaces: string[];
  /** Counters of ours that nothing has any more, since the relay has refused what had them. */
  freed?: number[];
}

/** `member/<group id>/<username>`: another member of a group, and what has come from it there. */
export interface MemberRecord {
  name: string;
  device: string;
  /** Highest counter of its that was read. */
  receive_counter: number;
  /** Counters below it that were not read. */
  gaps?: number[];
  /** When something readable came last, to the day (Unix ms). */
  heard_at?: number;
  /** Highest of our counters that it has confirmed, and receipts of ours that it has not; about. */
  confirmed?: number;
  receipts_out?: number;
  /** Counters of both sides when it last committed. */
  said_at_commit?: number;
}

/** A field of a commit's frame that is brought to the relay as a blob before the frame leaves. */
export interface LargePart {
  field: "body" | "tree";
  /** Base64. */
  bytes: string;
  /** The read token (base64), and by which name room is asked for. */
  token: string;
  request_id: string;
  /** Where it lies, once it does. */
  at_relay?: { blob: string; token: string; bytes: number; sha256: string };
}

/** `commit/<group id>`: a commit that waits for the relay's answer, or to be applied. The next MLS state is `next/<group id>`. */
export interface CommitRecord {
  group: string;
  commit_id: string;
  kind: "open" | "update" | "team";
  epoch: number;
  /** The data of the frame, as JSON, so that a repeat is byte-identical. */
  frame: string;
  /** Outbox rows whose messages travel in it. */
  rows: number[];
  /** Of a team's: the change that it makes. */
  op?: number;
  /** Of a team's: what of it is too large for the frame. */
  large?: LargePart[];
  /** Unix milliseconds. */
  created_at: number;
  /** Set when admitted: our mailbox's highest `seq` at that moment, to be processed before it is applied. */
  high_water?: number;
}
