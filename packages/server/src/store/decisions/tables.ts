import type { DeliveryKind } from "@aimessage/sdk/protocol";
import type { Blob, NewBlob } from "../blob-rows.ts";
import type {
  Account,
  Admission,
  Deed,
  DeedDone,
  Device,
  KeyAccount,
  NewDevice,
  NewInvite,
  PeersChange,
  Refused,
  TokenAccount,
} from "../store.ts";
import type { Member, Statement, Work } from "./work.ts";

/** A mailbox that nobody reads any more. */
export interface ClosedMailbox {
  mailbox: number;
  name: string;
  closed: "device_replaced" | "unregistered";
}

/** Some account, and whether anything was ever done with it. */
export interface SeenAccount {
  name: string;
  mailbox: number;
  /** The day of its registration or last login, counted from 1970. */
  seen: number;
  used: boolean;
}

/** An entry as a sweep sees it: all but its message, which may be long. */
export interface Swept {
  seq: number;
  mailbox: number;
  sender: string;
  from: string;
  device: string | undefined;
  kind: DeliveryKind;
  bytes: number;
  groupId: string | undefined;
  epoch: number | undefined;
  messageId: string;
  storedAt: number;
  stranger: boolean;
  address: number | undefined;
  pos: number | undefined;
  /** Number of the body that it shares. */
  body: number | undefined;
}

/** To whom a statement was offered. */
export interface Offering {
  /** Mailbox of the member that had it last; 0 if none had. */
  offeredTo: number;
  tries: number;
  /** How often it was looked in vain for somebody. */
  looks: number;
  /** When it is offered next: Unix ms. */
  dueAt: number;
}

/** A statement that is to be offered to somebody. */
export interface WaitingStatement extends Omit<Statement, "address">, Omit<Offering, "dueAt"> {
  groupId: string;
  /** Whose it is, in lower case. */
  name: string;
}

/** A device that has key packages, and the address that is charged for them. */
export interface StockOwner {
  mailbox: number;
  address: number | undefined;
}

export interface Published {
  packages: Uint8Array[];
  lastResort: Uint8Array | undefined;
  /** In the place of what was published before, the last resort aside. */
  replace: boolean;
}

/** The account that asks for room for a file. */
export interface BlobOwner {
  /** Lower-case name. */
  name: string;
  address: number | undefined;
}

/** So many at once, and as many within that time again. None: any number. */
export interface Rate {
  most: number;
  /** Milliseconds. */
  within: number;
}

/** All that decisions look up and write: what those about messages do, and what the rare ones do. */
export interface Tables extends Work {
  readonly accounts: Work["accounts"] & {
    /** A device by its id, replaced or not. */
    device(username: string, id: string): (Device & { active: boolean }) | undefined;
    put(account: Account): void;
    createMailbox(name: string, device: NewDevice["device"] | undefined): number;
    close(mailbox: number, reason: ClosedMailbox["closed"]): void;
    /** Nobody reads what any device of a name has. */
    closeAll(name: string): void;
    setLogin(account: KeyAccount, counter: number): void;
    /** It was used on that day, and is no account any more that nobody has ever used. */
    setSeen<A extends TokenAccount | KeyAccount>(account: A, day: number): A;
    setDisabled(account: TokenAccount | KeyAccount, disabled: boolean): void;
    /** The name can be registered again. */
    release(account: { name: string }): void;
    /** One of those that nobody reads, and that have not been emptied. */
    nextClosed(): ClosedMailbox | undefined;
    setDrained(mailbox: number): void;
    /** Whether a mailbox is that of a name that nobody has registered. */
    isUnknown(mailbox: number): boolean;
    /** Of a name that nobody has, or a device that is gone, once nothing waits in it. */
    forgetMailbox(mailbox: number): void;
    /** Devices of a name that were replaced and have been emptied, but for the newest. */
    surplusDevices(name: string, kept: number): number[];
    /** Some accounts behind a name, in order. */
    after(name: string, limit: number): SeenAccount[];
  };
  readonly addresses: Work["addresses"] & {
    /** The number of an address, made if there is none; undefined if it is not known. */
    idOf(address: string): number | undefined;
    /** Whether one account more may be registered from there. */
    takesAccount(id: number | undefined): boolean;
    countAccount(id: number | undefined, count: 1 | -1): void;
  };
  readonly invites: {
    /** Why a name that is new may not be registered; undefined if it may. Nothing is used by the question. */
    objection(admission: Admission): Refused | undefined;
    use(admission: Admission): void;
    /** @returns whether there was none with this id or hash before */
    add(id: string, invite: NewInvite): boolean;
    revoke(id: string): "done" | "unchanged" | "unknown_invite";
    /** Forgets those that ended long ago. */
    sweep(): void;
  };
  readonly peers: Work["peers"] & {
    /** @param address Of the owner, to which the rows are charged. Names in lower case. */
    change(owner: string, address: number | undefined, change: PeersChange): void;
    removeAll(owner: string): void;
  };
  readonly groups: Work["groups"] & {
    /** A member of a team, if there is one: all of them need not be read for it. */
    member(groupId: string, mailbox: number): Member | undefined;
    /** Nobody reads a mailbox any more: its teams have no rows for it. */
    lapseAll(mailbox: number): void;
    /** An account is removed: whoever registers its name next is in none of its teams. */
    leaveAll(name: string): void;
    /**
     * Ends some of the groups of a device that is gone for good: nobody can send in those of two, and a team goes on without it. Their
     * ids stay for as long as mail of them could. @returns how many; fewer than `limit` are all that were left
     */
    removeMember(mailbox: number, limit: number): number;
    /** Forgets some of those that were not used for long, and the ids of those that have ended; returns how many. */
    sweep(limit: number): number;
  };
  readonly statements: Work["statements"] & {
    /** An account is removed: it cannot be taken in again, but what it had to say of leaving is to be done still. */
    removeAll(name: string): void;
    due(now: number): WaitingStatement[];
    /** A member listens: those that nobody was there for are due. */
    awaken(mailboxes: readonly number[], now: number): void;
    /** When one is due next; Infinity if none waits. */
    next(): number;
    setOffering(groupId: string, name: string, offering: Offering): void;
  };
  /** What may be taken of the same thing within a time, whichever relay is asked for it. */
  readonly allowances: {
    /** Takes one. @returns 0, or the milliseconds until there is one */
    take(key: string, rate: Rate): number;
  };
  readonly requests: Work["requests"] & {
    removeLast(sender: number): void;
    /** Forgets some of the old ones; returns how many. */
    sweep(limit: number): number;
  };
  readonly keyPackages: Work["keyPackages"] & {
    count(mailbox: number): number;
    /** The size of a stock that may be replaced, in bytes. */
    bytes(mailbox: number): number;
    /** Adds what is valid to a stock, or replaces it. @returns its size */
    publish(owner: StockOwner, published: Published): number;
    /** What this claimant holds already and has not used; it gets the same again. */
    unusedClaim(claimant: number, mailbox: number): Uint8Array | undefined;
    take(claimant: number, mailbox: number): Uint8Array | undefined;
    lastResort(mailbox: number): Uint8Array | undefined;
    removeAll(mailbox: number): void;
    /** Forgets what has ended. */
    sweep(): void;
  };
  readonly mail: Work["mail"] & {
    isEmpty(mailbox: number): boolean;
    /** Somebody has registered the name for which these wait. */
    nameIsKnown(mailbox: number): void;
    /** Some that have expired, and when the next one does: Unix ms, or Infinity. */
    expired(now: number, limit: number): Swept[];
    nextExpiry(): number;
    /** Some that were stored before a time, behind a place in the order of this question; `next`: where to go on, 0 if there are no more. */
    storedBefore(time: number, after: number, limit: number): { old: Swept[]; next: number };
    /** Some that wait in a mailbox, oldest first. */
    inMailbox(mailbox: number, limit: number): Swept[];
    /** Whether messages of the same group wait behind it. */
    isFollowed(entry: Swept): boolean;
    bodyText(body: number): string;
    /** Whether this body is the first of those that share it to expire, as far as is remembered. */
    isFirst(body: number): boolean;
    remove(entry: Swept): void;
    /**
     * Puts a stub in the place of a message to a team that has expired: who it was for sees that nothing was withheld. [P-6.9]
     * @param sha256 Of the message, in base64
     */
    toStub(entry: Swept, sha256: string): void;
  };
  readonly blobs: Work["blobs"] & {
    /** Also one that has expired, until it is removed. */
    byRequest(owner: string, requestId: string): Blob | undefined;
    /** Bytes that are charged: of all, of an account, of an address; and those that have not come. */
    room(owner: BlobOwner): { all: number; own: number; here: number; awaited: number };
    add(owner: BlobOwner, blob: NewBlob & Pick<Blob, "id" | "expiresAt">): void;
    setToken(id: string, tokenHash: Uint8Array): void;
    /** The request of a file that has expired may be made again. */
    endRequest(id: string): void;
    /** An account is removed: what it has sent may still be fetched. */
    disown(owner: string): void;
  };
  readonly audit: {
    add(deed: Deed, outcome: DeedDone["outcome"]): void;
  };
  /** When mailboxes acknowledged or committed something last, as far as is remembered: Unix ms. */
  readonly heard: Pick<ReadonlyMap<number, number>, "get">;
}
