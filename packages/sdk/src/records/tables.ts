/**
 * What the records of an agent's store mean. Each kind has a prefix and a type; numbers in keys are padded, so that the
 * order of keys is the order of numbers. Rows that are waited for have an index of their own (`queue/`, `unhandled/`).
 */
import type { GuardLimits, HeardRecord, AnsweredRecord, HoldingRecord, HeldTotal } from "./consent-records.ts";
import type { Marks, Offer } from "../crypto/content.ts";
import type { InFileRecord, OutFileRecord } from "./file-records.ts";
import type { CommitRecord, GroupRecord, MemberRecord } from "./group-records.ts";
import type { LineRecord, PairingRecord } from "./pairing-records.ts";
import type { AgainRecord, ReportRecord } from "./left-records.ts";
import type {
  OpEndRecord,
  OpKeysRecord,
  OpRecord,
  OrderRecord,
  OrderWaitRecord,
  RosterRecord,
  TeamGroupRecord,
  TeamHeldRecord,
  TeamMemberRecord,
  TeamNewsRecord,
  TeamRecord,
  ToRecord,
} from "./team-records.ts";

/** `meta/identity`, `meta/device`: private keys in base64. */
export interface IdentityRecord {
  username: string;
  private_key: string;
  public_key: string;
}

export interface DeviceRecord {
  id: string;
  counter: number;
  private_key: string;
  public_key: string;
  certificate: string;
}

/** `meta/relay`: the relay of this agent and what we know of our mailbox there. */
export interface RelayRecord {
  server: string;
  insecure: boolean;
  /** False until the relay has answered `registered`: keys are saved before the request leaves. */
  registered: boolean;
  /** Committed before each login; rises by one. */
  login_counter: number;
  log_id?: string;
  /** Highest `seq` of our mailbox that is processed. */
  position: number;
  /** Id of the last `send` or `commit` that the relay has taken. */
  last_taken?: string;
  /** Relay's clock minus ours, milliseconds. */
  clock_offset: number;
  /** Since when it is about as it is (our clock, Unix ms). */
  clock_since?: number;
  frame_bytes: number;
  /** Largest encrypted file that the relay takes, as it said last; 0: it takes none. Missing: it has not said. */
  blob_bytes?: number;
  /** How long the relay keeps a message at most, as it said last. Milliseconds. */
  mailbox_age_ms?: number;
  /** The relay does not know `meta/device` yet, which replaces the one that it knows. */
  new_device?: true;
  /** When this store was found to be an old copy (Unix ms). */
  replaced_at?: number;
  /** Why this store may not be used any more. */
  stopped?: "device_replaced";
}

/** `meta/renewal`: since when the stock of key packages is to be replaced, and when it was lately. Unix ms. */
export interface RenewalRecord {
  due?: number;
  done?: number[];
}

/** `contact/<username>` */
export interface ContactRecord {
  username: string;
  identity_key: string;
  pinned_at: number;
  verified: boolean;
  /** The owner has said so, of a verified one. */
  trusted?: true;
  blocked: boolean;
  device_id: string;
  device_key: string;
  /** Highest device counter seen. */
  device_counter: number;
  /** It has become one by writing to us, and nothing of that was handled: its pin lasts no longer than what it wrote. */
  stranger?: true;
  /** Why nothing was sent to what the relay showed in its place last, until it shows the pinned key again or `trust`. */
  stopped?: "identity_changed" | "device_changed";
  /** The identity key that it showed, for `trust`. */
  new_identity_key?: string;
  /** Openings after a loss that nothing was received in yet, and when the next may be tried (Unix ms). */
  reopenings: number;
  reopen_at: number;
}

/**
 * `peer/<username>`: it was written to or accepted (`allow`), or is blocked, also before its identity is known. What the
 * relay has not confirmed yet stands in `peer-due/<username>`, too.
 */
export type PeerStanding = "allow" | "block";

/**
 * `held/<why>/<username>/<seq>`: a message that waits for the owner's word; its body is `held-body/<why>/<username>/<seq>`. Its
 * `seq` is of the inbox, where it gets another one when it is let in.
 */
export type HeldRecord = InboxRecord;

/** `meta/peers`: the relay's log that was told of them; `told`: it has heard of those up to this name, not yet of all. */
export interface ToldRecord {
  log: string;
  told?: string;
}

export type MessageState = "queued" | "stored" | "received" | "handled" | "expired" | "refused" | "failed";

/** `out/<seq>`; its body is `out-body/<seq>` (of what is sent again to one member of a team that of its message), its ciphertext until the relay has it `wire/<seq>`. */
export interface OutboxRecord extends Marks {
  seq: number;
  id: string;
  /** `pairing`: that the code of a line is known. `offer`: where files of a message lie now. Nobody is shown these two. */
  kind: "message" | "receipt" | "pairing" | "offer";
  to: string;
  /** Of `NAME#FINGERPRINT`. */
  fingerprint?: string;
  /** Of the identity that it is for: the one that was pinned when it was written, or else first encrypted. To one member of a team: how it begins. */
  identity_key?: string;
  created_at: number;
  updated_at: number;
  /** Our clock, Unix ms. */
  expires_at?: number;
  state: MessageState;
  reason?: string;
  delivered?: boolean;
  /** The state is the relay's word, which a receipt outweighs. */
  by_relay?: boolean;
  /** How often it was sent again because the other side could not read it. */
  attempt: number;
  group?: string;
  counter?: number;
  /** Of what goes to one member of a team alone: its counter among direct frames to that one's device in a group. */
  direct?: { group: string; device: string; counter: number };
  /** It waits again, and has left before: it may have arrived. */
  left?: true;
  /** How many files go with it. */
  files?: number;
  /** How many offers have told of its files. */
  offers?: number;
  /** Of a receipt to a member of a team: by whose counters it speaks (see `countsOf`); of none that are there now without. */
  counts?: string;
  /** Of an offer, and of what is sent again to one member of a team: the place of its message in the outbox. */
  of?: number;
  /** Of a message to a team: how that is called here when it is sent, as in `@team`. */
  to_name?: string;
  /**
   * Of a message to a team, once it is encrypted: the group and the epoch whose roster it is for, how many that are, and how many of them have it,
   * have handled it, never will, do not by the relay's word, and are gone.
   */
  recipients?: {
    group: string;
    epoch: number;
    all: number;
    received: number;
    handled: number;
    failed: number;
    expired: number;
    gone: number;
    /** Of its files, by their places: how many have it, and how many are not waited for, those among them. */
    files?: Record<string, { fetched: number; ended: number }>;
  };
}

/** `lately/<when, Unix ms>/<message id>`: a digest of a message for which whoever sends the same again does not send it twice. */

/** `question/<message id>`: a message of ours that expects a reply. */
export interface QuestionRecord {
  id: string;
  /** Place of its message in the outbox. */
  seq: number;
  to: string;
  /** Of a team: as it was called here when it was asked. */
  to_name?: string;
  asked_at: number;
  /** When nobody waits for a reply any more. Our clock, Unix ms. */
  deadline: number;
  /** open: no reply has come. answered: one waits for its asker. taken: the asker has it. over: too late, or it will never come. */
  state: "open" | "answered" | "taken" | "over";
  /** Place of the reply in the inbox. */
  reply?: number;
}

/** `wire/<seq>`: the data of a `send` as it left, so that a repeat is byte-identical. */
export interface WireRecord {
  group: string;
  /** Of a direct frame, which stands outside of the order of its group: its recipient there. [P-6.5] */
  direct?: string;
  epoch: number;
  counter: number;
  frame: string;
  /** Of a message to a team: when it was encrypted. */
  at?: number;
}

/** `in/<seq>`; its body is `in-body/<seq>`. */
export interface InboxRecord extends Marks {
  seq: number;
  /** Its sender's word for it, unique among that one's messages alone. */
  id: string;
  /** Ours, by which it is known here: `in-id/<local id>` is its `seq`. */
  local_id: string;
  from: string;
  /** As its sender spells it, and as it is shown. */
  from_name: string;
  /** It was sent to a team: its key. */
  team?: string;
  /** The identity that has sent it: answers go to no other. */
  identity_key?: string;
  /** It answers this question of ours, whose asker takes it: no listener does. */
  answers?: string;
  /** It answers one that nobody asks any more. */
  late?: true;
  sent_at: number;
  received_at: number;
  expires_at?: number;
  /** When it is worth nothing any more by its sender's clock (Unix ms): only where that is earlier than `expires_at`. */
  late_at?: number;
  offline: boolean;
  verified: boolean;
  state: "unhandled" | "handled" | "failed" | "expired";
  reason?: string;
  settled_at?: number;
  /** How often it was given to a listener that shares. */
  attempts?: number;
  /** How often its handler has failed, and said so; and how often it was only not the time for it. */
  failures?: number;
  waits?: number;
  /** Not given to one before (Unix ms): its handler has failed. */
  retry_at?: number;
  /** Milliseconds from its failure to `retry_at`. */
  retry_after?: number;
  /** The process that has given it back without a word: `retry_at` is for that one alone. */
  given_back_by?: string;
  /** The owner has let it in, or it is a person's word that has counts begin anew: exchanges are counted anew from it. */
  let_in?: true;
  /** A question that has its reply: what answers it besides is counted by the guards. */
  replied?: true;
  /** What it says of its files. Without their keys once they are not to be fetched any more. */
  files?: (Omit<Offer, "key" | "token"> & Partial<Pick<Offer, "key" | "token">> & { streamed?: true })[];
  /** Its weight among what strangers have sent: 0 once it is let go, missing if its sender was none. Bytes. */
  strange?: number;
  /** The listener that works on it, until when (Unix ms), and its process, where the store can tell when that has died. */
  claim?: { by: string; until: number; mark?: string };
}

/**
 * What the next receipts to a contact say, each thing in a row of its own, so that it costs the same however much waits:
 * `owed/<username>/read/<group id>`: the highest counter read in a group, as text.
 * `owed/<username>/done/<place in the inbox>`: what became of a message.
 * `owed/@<key>.<username>/direct/unheard`, `../told`: up to which direct frame some never came; up to which what became of messages is said once more.
 * `owed/@<key>.<username>/free/<counter>`: a counter of ours under which it has nothing to get.
 * `owed/<username>/lost/<message id>`: a message that was not read: "", or why it never will be.
 */
export interface OutcomeRecord {
  id: string;
  /** Of the identity that has sent the message: no other hears of it. */
  identity_key?: string;
  /** Why it failed; `expired`: since it came too late. */
  failed?: string;
  expired?: true;
}

export type OwedKind = "read" | "done" | "lost" | "file" | "direct" | "free";

/** `owed/<username>/file/<place in the inbox>/<index>`: a file of a message was fetched, or why not. */
export interface FetchedRecord {
  id: string;
  file: number;
  identity_key?: string;
  reason?: string;
}

/**
 * `key/<reference>`: a published key package's private part; its bytes are `key-secret/<reference>`. The groups that were
 * joined by a last resort are `joined/<reference>/<contact>/<group id>`, for as long as it is there.
 */
export interface KeyRecord {
  ref: string;
  last_resort: boolean;
  /** Whether the relay has said that it has it. Missing: it came with the registration. */
  published?: boolean;
  created_at: number;
  /** The same by the relay's clock, by which others judge its lifetime. Missing: as `created_at`. */
  made_at?: number;
  /** Types of extensions that it announces. Missing: none. */
  caps?: readonly number[];
  /** The private part is deleted then (Unix ms). */
  delete_at?: number;
}

/** `ask/<id>` and `answer/<id>`: a request to the relay that another process wants done by the link. */
export interface AskRecord {
  id: string;
  type: "list_users" | "lookup" | "info" | "unregister";
  data: Record<string, unknown>;
  at: number;
}

export type AnswerRecord = { at: number } & (
  | { ok: Record<string, unknown> }
  | { error: { code: string; message: string; hint?: string; reason?: string } }
);

/**
 * `alert/<seq>`: what the owner should know; by kind and contact it is found in `alert-of/<kind>/<contact>`, or, if the owner
 * knows what it is about, in `alert-known/<kind>/<contact>`; `about` stands in the place of the contact where it is there.
 * `alerts-full/<kind>` says when there was no room for one more contact. Unix ms.
 */
export interface AlertRecord {
  /** When it came last. */
  at: number;
  kind: string;
  /** Missing if it is about none, or about one more of so many that they are counted together. */
  contact?: string;
  /** What it is about where that is not one contact: of look-alikes, as what they all read. */
  about?: string;
  /** The owner has written to that, or said what it is. */
  known?: true;
  /** Of several contacts that it is about, the first and the latest. */
  names?: string[];
  /** As it came last. */
  text: string;
  /** How often it came, and when it did so first. */
  count: number;
  first_at: number;
  /** When those who follow alerts were told. */
  announced_at: number;
}

/** The JSON records, by prefix. */
export interface Tables {
  "meta/identity": IdentityRecord;
  "meta/device": DeviceRecord;
  "meta/relay": RelayRecord;
  "meta/peers": ToldRecord;
  "meta/renewal": RenewalRecord;
  "meta/guards": GuardLimits;
  "meta/held-consent": HeldTotal;
  "meta/held-guard": HeldTotal;
  "heard/": HeardRecord;
  "answered/": AnsweredRecord;
  "held/": HeldRecord;
  "holding/": HoldingRecord;
  "contact/": ContactRecord;
  "group/": GroupRecord;
  "member/": MemberRecord;
  "team/": TeamRecord;
  "team-group/": TeamGroupRecord;
  "team-member/": TeamMemberRecord;
  "team-news/": TeamNewsRecord;
  "team-held/": TeamHeldRecord;
  "to/": ToRecord;
  "op/": OpRecord;
  "op-end/": OpEndRecord;
  "op-keys/": OpKeysRecord;
  "roster/": RosterRecord;
  "order/": OrderRecord;
  "order-wait/": OrderWaitRecord;
  "commit/": CommitRecord;
  "out/": OutboxRecord;
  "out-file/": OutFileRecord;
  "in-file/": InFileRecord;
  "wire/": WireRecord;
  "in/": InboxRecord;
  "question/": QuestionRecord;
  "line/": LineRecord;
  "pairing/": PairingRecord;
  "report/": ReportRecord;
  "again/": AgainRecord;
  "key/": KeyRecord;
  "ask/": AskRecord;
  "answer/": AnswerRecord;
  "alert/": AlertRecord;
}
