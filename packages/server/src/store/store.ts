import type { BlobRows } from "./blob-rows.ts";
import type { BlockedGroups } from "./blocked-groups.ts";
import type {
  Entry,
  TeamOf,
  SendRequest,
  Sent,
  Committed,
  StatementRequest,
  Offer,
  CommitRequest,
} from "./messages.ts";
import type { Refused } from "./refused.ts";

export type * from "./messages.ts";
export type { Refused } from "./refused.ts";

/** Why nothing new can be stored: what is left of the disk is kept for other things, or the database is not where it was opened. */
export type Hindrance = "storage_full" | "storage_lost";

/** The disk refused a write: nothing of the batch was stored. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly reason: Hindrance | "internal";
  /** What stores is away, or takes nothing of this relay any more: whoever asks hears the same. */
  readonly isAway: boolean;
  /** @param cause Undefined if nothing was tried, since it is known that it could not be kept. */
  constructor(reason: Hindrance | "internal", cause?: Error, isAway = false) {
    super(`The store could not write: ${cause?.message ?? reason}`, { cause });
    this.reason = reason;
    this.isAway = isAway;
  }
}

/** Whether the same may succeed as soon as what stores is back. */
export function isAway(error: unknown): boolean {
  return error instanceof StorageError && error.isAway;
}

/** A device of a key account. One is active; replaced ones are remembered, so that they can be told. */
export interface Device {
  id: string;
  /** Number of the device's mailbox at this relay. */
  mailbox: number;
  /** Ed25519 public key. */
  key: Uint8Array;
  certificate: Uint8Array;
  counter: number;
  /** Highest login counter that was accepted; 0 before the first login. */
  loginCounter: number;
}

interface Named {
  /** Lower case. */
  name: string;
  /** As it was registered. */
  username: string;
  /** Number of the address from which it was registered; undefined if that is not known. */
  address: number | undefined;
}

interface Usable extends Named {
  /** The operator has disabled it: it logs in, sends and is written to by nobody, and keeps what it has. */
  disabled: boolean;
  /** The day of its registration or last login, counted from 1970. */
  seen: number;
}

/** The original's kind: logs in by a key derived from its token. */
export interface TokenAccount extends Usable {
  kind: "token";
  mailbox: number;
  /** Somebody has logged in as it. */
  entered: boolean;
  derivedKey: Uint8Array;
}

/** A full agent: logs in by its device's signature. */
export interface KeyAccount extends Usable {
  kind: "key";
  mailbox: number;
  identityKey: Uint8Array;
  device: Device;
}

/** A name that stays reserved after its account was removed. */
export interface RemovedAccount extends Named {
  kind: "removed";
}

export type Account = TokenAccount | KeyAccount | RemovedAccount;

export interface NewDevice {
  username: string;
  identityKey: Uint8Array;
  device: { id: string; key: Uint8Array; certificate: Uint8Array; counter: number };
  keyPackages: Uint8Array[];
  lastResort: Uint8Array;
  /** From where it is registered, as limits count it; empty if that is not known. A known account keeps its first. */
  address: string;
}

/** New names may be registered by everybody, by nobody, or by whoever shows an invite, given by the SHA-256 of it in hex. [P-3.8] */
export type Admission = "open" | "closed" | { invite: string | undefined };

/** An invite as a relay keeps it: not the invite itself. */
export interface NewInvite {
  /** SHA-256 in hex. */
  hash: string;
  /** Names that may be registered by it. */
  uses: number;
  /** Unix milliseconds. */
  expiresAt: number;
}

/** An owner's word on others. Usernames; `clear` forgets a list, or both, before they are added. [P-7.5] */
export interface PeersChange {
  clear: "allow" | "block" | "all" | undefined;
  /** It has written to them or accepted them: they have room that strangers cannot take. */
  allow: string[];
  block: string[];
}

/** What a device is told of its mailbox. */
export interface MailboxState {
  /** Random id of the mailboxes' logs; new when a database is created or restored, or has lost what was acknowledged. */
  logId: string;
  /** Highest `seq` that was ever given to an entry that is on disk. */
  lastSeq: number;
  /** Highest `seq` that waits, 0 if nothing does. */
  highWater: number;
  /** Key packages of a key account's device that nobody has claimed. */
  keyPackages: number;
  /** Id of the newest `send` or `commit` that was taken from this device of a key account. */
  lastRequest: string | undefined;
}

/** A mailbox is pushed to a connection of this relay from now on. */
export interface Listening extends MailboxState {
  /** By which it is given up; a higher one has taken it over. */
  claim: number;
}

export interface ClaimedKeys {
  account: KeyAccount;
  keyPackage: Uint8Array;
  lastResort: boolean;
  /** Unclaimed packages that the owner has left; undefined if none was taken. */
  remaining: number | undefined;
}

/** Something that an administrator does. */
export interface Deed {
  /** The user of the operating system who does it. */
  who: string;
  what: "remove" | "disable" | "enable" | "backup" | "restore" | "invite" | "revoke";
  /** The account's name; of a backup, its file; of `invite` and `revoke`, the id of the invite. */
  target: string;
  /** Of `remove`: the name can be registered again. */
  release: boolean;
  /** Of `invite`. */
  invite?: NewInvite | undefined;
}

export interface DeedDone {
  /** `unchanged`: it was so already. */
  outcome: "done" | "unchanged" | "unknown_user" | "unknown_invite";
  /** Of the account that was changed. */
  mailbox: number | undefined;
}

/** Refusals of one reason within an hour. */
export interface RefusalCount {
  /** When the hour began: Unix milliseconds. */
  hour: number;
  reason: string;
  /** Name of an account, or the address of a stranger. */
  who: string;
  count: number;
}

/** A line of the audit log: what an administrator did, or what the relay refused. Holds no body, key or token. */
export type AuditLine =
  | { kind: "deed"; at: number; who: string; what: string; target: string; outcome: DeedDone["outcome"] }
  | ({ kind: "refusal" } & RefusalCount);

/** How much may wait, and how long; see the table in limits.ts. */
export interface StoreLimits {
  mailboxMessages: number;
  mailboxBytes: number;
  mailboxAge: number;
  handshakeMessages: number;
  handshakeBytes: number;
  noticeMessages: number;
  unknownUserMessages: number;
  keyPackages: number;
  publishesPerHour: number;
  claimsPerHour: number;
  peers: number;
  claimAge: number;
  groups: number;
  groupAge: number;
  groupMembers: number;
  accountGroups: number;
  devices: number;
  unusedAccountAge: number;
  addressAccounts: number;
  addressBytes: number;
  accountBytes: number;
  rememberedRequests: number;
  strangersAheadBytes: number;
  blobBytes: number;
  accountBlobs: number;
  blobs: number;
  blobAge: number;
  /** Bytes of the disk that are kept from mail. */
  reserveBytes: number;
}

/**
 * Everything that a relay keeps. A promise resolves when its effect is on disk, and rejects with {@link StorageError} if it
 * is not; requests are decided in the order of the calls. The suite in `@aimessage/server/testing` says the rest.
 */
export interface RelayStore extends AsyncDisposable {
  /** As in {@link MailboxState}. */
  readonly logId: string;
  /**
   * Why nothing new is taken at the moment; undefined if all is well. Logins, reading and `received` go on in any case.
   * Whoever asks for more is refused with it.
   */
  hindrance(): Hindrance | undefined;
  /** @param stored Gets new entries in the order of `seq`, once they are on disk, and before their requests are answered. */
  watch(stored: (entries: Entry[]) => void): void;

  /** What is asked for here and below may not be on disk yet, and may be undone: but for {@link entries}. */
  account(username: string): Promise<Account | undefined>;
  /** A device by its id, replaced or not. */
  device(username: string, id: string): Promise<(Device & { active: boolean }) | undefined>;
  /** Why a name that is new may not be registered; undefined if it may. */
  objection(admission: Admission): Promise<Refused | undefined>;
  /**
   * @param address As in {@link NewDevice}.
   * @param admission Default: open. An invite is used up by the account that is made, and by nothing else.
   */
  registerToken(
    username: string,
    derivedKey: Uint8Array,
    address: string,
    admission?: Admission,
  ): Promise<TokenAccount | Refused>;
  /**
   * A new key account, a new device of one (`replaced`: the mailbox of the old one), or a repeat of either.
   * @param admission Of a new account alone. Default: open.
   */
  registerDevice(
    device: NewDevice,
    admission?: Admission,
  ): Promise<{ account: KeyAccount; replaced: number | undefined } | Refused>;
  /** A token account has logged in: what never does is forgotten. */
  entered(mailbox: number): void;
  /** Accepts a login counter that is higher than the last. */
  login(mailbox: number, counter: number): Promise<Refused | undefined>;
  /** Removes the account whose active mailbox this is, if there is one; its name stays reserved unless it is released. */
  removeAccount(mailbox: number, release: boolean): Promise<boolean>;
  /** Changes whom an account has let in and blocked. Of each kind the newest are kept, as many as `limits.peers`. */
  setPeers(mailbox: number, change: PeersChange): Promise<Refused | undefined>;
  /** Whether an account has blocked another. Names in lower case. */
  isBlocked(owner: string, peer: string): Promise<boolean>;

  /**
   * Stores a message. `blocked` holds the groups in which this connection was refused: the store refuses what is in
   * it, and adds the group of what it refuses, so that a later message is never stored before an earlier one. `resume` of a request
   * takes its group out.
   */
  send(request: SendRequest, blocked: BlockedGroups): Promise<Sent | Refused>;
  /** Opens a group or ends an epoch. */
  commit(request: CommitRequest): Promise<Committed | Refused>;
  /** Keeps what a member has signed, until a commit does it. */
  keepStatement(request: StatementRequest): Promise<Refused | undefined>;
  /**
   * Statements for members that listen now, one after another, and when there are more at the latest: Unix ms, or Infinity.
   * @param newcomers mailboxes that listen since just now: they may be the only ones for a short time
   */
  offers(newcomers?: readonly number[]): Promise<{ offers: Offer[]; next: number }>;
  /** Teams in which the account of a mailbox has a device. */
  teamsOf(mailbox: number): Promise<TeamOf[]>;
  /** What waits on disk behind `after`, oldest first, as much as fits (but at least one entry). */
  entries(
    mailbox: number,
    after: number,
    room: { messages: number; bytes: number },
  ): Promise<{ entries: Entry[]; more: boolean }>;
  /** Deletes up to `seq`; returns how many. */
  received(mailbox: number, seq: number): Promise<number>;
  /**
   * The same soon, without a promise: a relay that dies before has the messages pushed again. Whoever asks the store
   * meanwhile finds them deleted. `deleted` is told how many.
   */
  receivedSoon(mailbox: number, seq: number, deleted: (count: number) => void): void;
  look(mailbox: number): Promise<MailboxState>;
  /** A connection has the mailbox from now on, whoever had it before: what is sent to it is said to be delivered. */
  listen(mailbox: number): Promise<Listening>;
  /** It has it no more, unless it was taken over; resolves to whether it had it. */
  unlisten(mailbox: number, claim: number): Promise<boolean>;
  /** Usernames of those who listen, at most a second old. */
  online(): Promise<string[]>;

  /** Adds to a device's stock, or replaces all of it that nobody has used; returns its size. */
  publishKeys(
    mailbox: number,
    keyPackages: Uint8Array[],
    lastResort: Uint8Array | undefined,
    replace: boolean,
  ): Promise<number | Refused>;
  /** Hands out a key package, the one that this claimant holds already unless it wants `another`. */
  claimKeys(claimant: number, username: string, another: boolean): Promise<ClaimedKeys | Refused>;

  /** Encrypted files: what is known of them. Their bytes lie in a `BlobStore`. */
  readonly blobs: BlobRows;

  /**
   * Turns what has expired or lost its mailbox into notices, and forgets old records and what is not used. `unnoticed` counts those for which
   * their sender's mailbox had no room; `more` says that there is more to do, and `next` when a message expires next (by the relay's
   * clock; Infinity: none does).
   */
  sweep(): Promise<{ expired: number; unnoticed: number; more: boolean; next: number }>;
  /** Entries in all mailboxes, counted one by one. */
  depth(): Promise<number>;

  /** Does what an administrator asks for, and writes it down: both, or neither. */
  administer(deed: Deed): Promise<DeedDone>;
  /** Adds to what is written down of refusals. */
  countRefusals(counts: RefusalCount[]): Promise<void>;
  /** The newest lines of the audit log, oldest first. The newest 100,000 at most are kept, deeds and refusals apart. */
  audit(last: number): Promise<AuditLine[]>;
}
