import type { Blob } from "../blob-rows.ts";
import type { Account, Body, Entry, StoreLimits } from "../store.ts";

/** When and by what circumstances a decision is made: they are given to it, so that it is the same however often it is made. */
export interface Occasion {
  /** Unix milliseconds, by the relay's clock. */
  now: number;
  /** The rest of the disk is kept for other things than mail. */
  isFull: boolean;
}

/** Something that a decision looks for was not read with the rest: to be read, and all of the batch decided anew. */
export class Missing extends Error {
  override readonly name = "Missing";
  /** Which look-up, such as `accounts.find`, and of what. */
  readonly look: string;
  readonly key: string;
  /** What is missing beside it. */
  readonly others: readonly Missing[];

  constructor(look: string, key: string, others: readonly Missing[] = []) {
    super(`${look}(${key}) was not read`);
    this.look = look;
    this.key = key;
    this.others = others;
  }
}

/**
 * Decides about one after another, also behind one for which something is missing: so that it is read for all of them together, and not in
 * a trip for each. @throws Missing
 */
export function each<T, R>(items: Iterable<T>, decide: (item: T) => R): R[] {
  const results: R[] = [];
  const missing: Missing[] = [];
  for (const item of items) {
    try {
      results.push(decide(item));
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      missing.push(error, ...error.others);
    }
  }
  const [first, ...others] = missing;
  if (first !== undefined) throw new Missing(first.look, first.key, others);
  return results;
}

/** Messages and what they take up. */
export interface Amount {
  messages: number;
  bytes: number;
}

/** The account that is charged for an entry. */
export interface Payer {
  /** Lower-case name. */
  sender: string;
  /** Number of the address from which the sender was registered; undefined: it is alone. */
  address: number | undefined;
  /** The mailbox's owner has not let it in. */
  stranger: boolean;
  /** Whose mail it is, where somebody else's room is taken: lower-case name. */
  account?: string | undefined;
}

/** How full a mailbox is with entries of one kind. */
export interface Room {
  readonly all: Readonly<Amount>;
  /** The part of strangers, and of those of one place: an address, or a sender that has none. */
  readonly strangers: Readonly<Amount>;
  ofStrangersAt(place: number | string): Readonly<Amount>;
  /** The part of one sender. */
  of(sender: string): Readonly<Amount>;
}

export type NewEntry = Omit<Entry, "seq"> &
  Payer & {
    /** Nobody has registered the recipient's name. */
    unknown?: boolean;
  };

/** Whose a mailbox is, and whether anybody still reads it. */
export interface Owner {
  /** Lower case. */
  name: string;
  device: string;
  closed: boolean;
}

/** A device in a group. */
export interface Member {
  mailbox: number;
  /** Its account, in lower case. */
  name: string;
  device: string;
  /** The first epoch that it can read. */
  joined: number;
  /** The relay had to drop something that it needs: it gets nothing until it is added anew. */
  lapsed: boolean;
  /** It has left, and waits to be removed. */
  leaves: boolean;
  /** Since when it has lapsed or left: Unix ms. */
  awaySince: number | undefined;
  /** Who is charged for what it gets, until it has sent (to one member is enough) or committed something there; undefined: the group is. */
  adder: Payer | undefined;
  /** When it has asked last to be taken in again: Unix ms. */
  rejoinedAt: number | undefined;
}

export interface Group {
  /** It may have any number of members; else there are two. */
  isTeam: boolean;
  epoch: number;
  /** Nothing of an epoch below this one is admitted. */
  floor: number;
  /** Messages of a team in the present epoch, and in the one before. */
  pos: number;
  posBefore: number;
  /** By mailbox; none if an account of a group of two was removed. */
  members: Map<number, Member>;
  /** The day on which it was used last, counted from 1970. */
  used: number;
}

/** Whoever has opened a group, and is charged for it. */
export interface Opener {
  mailbox: number;
  address: number | undefined;
}

/** What a commit does to a team. */
export interface Ended {
  /** That it opens. */
  epoch: number;
  floor: number;
  /** As `used` in {@link Group}. */
  day: number;
  add: Member[];
  /** Mailboxes. */
  remove: number[];
}

export interface PastRequest {
  digest: Uint8Array;
  /** The recipient's mailbox and the entry's place in it; 0 of what was sent to a team. */
  mailbox: number;
  seq: number;
  /** When it was taken: Unix ms. */
  at: number;
  /** What was answered, where that cannot be known again, as JSON. */
  answer?: string | undefined;
}

/** Entries of a team have room of their own beside that of their kinds. */
export type RoomKind = "application" | "welcome" | "commit" | "notice" | "group";

/** A statement that waits for a commit. */
export interface Statement {
  kind: "leave" | "rejoin";
  /** Base64. */
  statement: string;
  /** That it is charged to. */
  address: number | undefined;
}

/** Somebody's standing with an account: let in by its owner, blocked by it, or neither. */
export type Standing = "peer" | "blocked" | "stranger";

/**
 * What decisions look up and write, at once: the tables of a database, or what a batch has read of one and will write. A
 * decision looks everything up before it writes, and a look-up throws {@link Missing} where it cannot be answered yet: so
 * a decision may be made anew, and depends on nothing else than what it was given.
 */
export interface Work {
  readonly limits: StoreLimits;
  readonly accounts: {
    find(username: string): Account | undefined;
    owner(mailbox: number): Owner | undefined;
    /** The mailbox in which mail waits for a name that nobody has registered, if there is one. */
    mailboxOfUnknown(username: string): number | undefined;
    /** Makes it. */
    addMailboxOfUnknown(username: string): number;
  };
  readonly peers: {
    /** Names in lower case. */
    standing(owner: string, peer: string): Standing;
  };
  readonly groups: {
    find(groupId: string): Group | undefined;
    open(groupId: string, group: Group, opener: Opener): void;
    /** @param day As `used` in {@link Group}. */
    advance(groupId: string, epoch: number, day: number): void;
    use(groupId: string, day: number): void;
    /**
     * Teams that have a device of an account as a member, and how many of them are `here`: it was added to them by whoever is at one place
     * (an address, or an account that has none), and has said nothing there yet.
     */
    countTeamsOf(name: string, place: number | string): { all: number; here: number };
    /** Of a team: a commit has ended an epoch, a message has its place, something of a member has changed. */
    end(groupId: string, ended: Ended): void;
    setPos(groupId: string, at: { pos: number; posBefore: number }): void;
    setMember(groupId: string, member: Member): void;
  };
  readonly statements: {
    /** In the place of one of before. */
    put(groupId: string, name: string, statement: Statement, due: number): void;
    /** The same once more, by other words: whoever would have it next gets these. */
    renew(groupId: string, name: string, statement: string): void;
    remove(groupId: string, names: string[]): void;
  };
  /** What devices have sent: by it repeats are known. */
  readonly requests: {
    find(sender: number, kind: "message" | "commit", id: string): PastRequest | undefined;
    add(request: PastRequest & { sender: number; kind: "message" | "commit"; id: string }): void;
    /** The id of the newest `send` or `commit` that was taken from a key account's device. */
    setLast(sender: number, id: string): void;
  };
  readonly keyPackages: {
    /** The claimant has opened a group with what it had claimed. */
    used(claimant: number, mailbox: number): void;
  };
  readonly blobs: {
    find(id: string): Blob | undefined;
  };
  /** What lies in mailboxes of others, in bytes. */
  readonly addresses: {
    /** Of accounts of an address. */
    bytes(address: number): number;
    /** Mail of one account, since the relay was started at least. */
    mail(account: string): number;
  };
  readonly mail: {
    /** @param mailbox Undefined: one that is yet to be made. */
    room(mailbox: number | undefined, kind: RoomKind): Room;
    isWaiting(mailbox: number, seq: number): boolean;
    /** Highest `seq` that waits and has not expired at that time, 0 if nothing does. */
    highWater(mailbox: number, now: number): number;
    /** Entries of a sender for names that nobody has registered. */
    waitingForUnknown(sender: string): number;
    /** @returns its `seq` */
    add(entry: NewEntry): number;
    /** To be named by an entry of the same decision at least. @param blobs Ids of the files that it names */
    addBody(text: string, blobs: string[]): Body;
  };
  /** Whether a mailbox is being pushed to a connection. */
  isListening(mailbox: number): boolean;
}
