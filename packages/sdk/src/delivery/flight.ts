import type { ClientFrameInput, RelayFrame, RelayFrameData } from "../protocol/index.ts";
import type { Refusal } from "../wire/connection.ts";
import type { LargePart } from "../records/group-records.ts";
import type { OutboxRecord } from "../records/tables.ts";

export type Answered<T> = { ok: T } | { refusal: Refusal };
export type SendData = ClientFrameInput<"send">;
export type CommitData = ClientFrameInput<"commit">;
/** What has come of a commit that was posted: the relay's answer, or what is too large for its frame lies at the relay now. */
export type CommitAnswer = Answered<RelayFrameData<"ack">> | { brought: LargePart[] };

const RETRY_MS = 1_000;
const RETRY_LAST_MS = 60_000;

/** Sends under way at a time. Half of what a relay lets an account burst by default. */
export const WINDOW = 128;
/**
 * Of large ones as many as make this, in characters: the relay answers them well within the time after which a connection
 * is given up, and if the first is refused, no more than this went in vain.
 */
const WINDOW_SIZE = 2 ** 20;

/** A row of the outbox that is under way. */
interface Sending {
  contact: string;
  group: string;
  /** What keeps an order of its own: see {@link laneOf}. */
  lane: string;
  kind: OutboxRecord["kind"];
  /** Characters of its ciphertext. */
  size: number;
}

/** What is under way on the present connection. Forgotten with it: what was not answered is sent again, byte by byte. */
export class Flight {
  readonly sends = new Map<number, Sending>();
  readonly sendAnswers: { seq: number; group: string; answer: Answered<RelayFrameData<"ack">> }[] = [];
  readonly commitAnswers: { group: string; commitId: string; answer: CommitAnswer }[] = [];
  /** Id of the last `send` or `commit` that the relay has taken, in the order of its answers, until it is stored. */
  taken: string | undefined;
  /** Groups whose commit was refused for a while: it is sent again when their contact's pause is over. */
  readonly commitsToRepeat = new Set<string>();
  /** Lanes in which a send was refused: once all answers are in, one goes alone with `resume`, until one is taken. */
  readonly blocked = new Set<string>();
  /** Outbox rows that are encrypted but were not taken, by lane: they go first, byte by byte as they were. */
  readonly repeats = new Map<string, Set<number>>();
  /** Contacts to whom something waits, but there is no conversation. */
  readonly toOpen = new Set<string>();
  /** So many contacts have something to send that not all of them were looked at. */
  mayHaveMore = false;
  /** Contact whose messages left last. */
  lastServed = "";
  /** Contacts in whose place the relay has shown somebody else: for receipts alone it is not asked again. */
  readonly strange = new Set<string>();
  /** Contacts that cannot be reached, as long as not all that waits for them has ended. */
  readonly ending = new Map<string, End>();
  /** Packages of contacts that were not acceptable: another one is asked for. */
  readonly badPackages = new Set<string>();
  /** Packages that were used, and the group that each opens. See `packages.ts`. */
  readonly packages = new Map<string, string>();
  /** Back-off of single contacts, and of all, until then: milliseconds by a clock that nobody sets. */
  readonly pausedContacts = new Map<string, number>();
  readonly #delays = new Map<string, number>();
  pausedUntil = 0;
  readonly post: (seq: number, data: SendData) => void;
  readonly postCommit: (group: string) => void;

  constructor(post: (seq: number, data: SendData) => void, postCommit: (group: string) => void) {
    this.post = post;
    this.postCommit = postCommit;
  }

  /** @returns what puts everything back as it is now, but for the answers that have come since: for a turn that is undone */
  keep(): () => void {
    const maps = [this.sends, this.pausedContacts, this.#delays, this.ending, this.packages].map((map) =>
      keepEntries<unknown, unknown>(map),
    );
    const sets = [this.commitsToRepeat, this.blocked, this.toOpen, this.strange, this.badPackages].map(keepMembers);
    const repeats = [...this.repeats].map(([group, rows]) => [group, new Set(rows)] as const);
    const [sends, commits] = [[...this.sendAnswers], [...this.commitAnswers]];
    const { taken, lastServed, pausedUntil } = this;
    return () => {
      for (const restore of [...maps, ...sets]) restore();
      this.repeats.clear();
      for (const [group, rows] of repeats) this.repeats.set(group, new Set(rows));
      this.sendAnswers.unshift(...sends.filter((answer) => !this.sendAnswers.includes(answer)));
      this.commitAnswers.unshift(...commits.filter((answer) => !this.commitAnswers.includes(answer)));
      this.taken ??= taken;
      Object.assign(this, { lastServed, pausedUntil });
    };
  }

  /** How many more may be sent. */
  get room(): number {
    let size = 0;
    for (const send of this.sends.values()) size += send.size;
    return size >= WINDOW_SIZE ? 0 : WINDOW - this.sends.size;
  }

  /** What was sent in this group is answered. @returns what it was, unless it is under way in another one by now */
  landed(seq: number, group: string): Sending | undefined {
    const send = this.sends.get(seq);
    if (send?.group !== group) return undefined;
    this.sends.delete(seq);
    return send;
  }

  /** No answer comes any more for what was sent in this group. */
  forget(group: string): void {
    for (const seq of this.sends.keys()) this.landed(seq, group);
  }

  hasReceiptUnderWay(contact: string): boolean {
    for (const send of this.sends.values()) if (send.contact === contact && send.kind === "receipt") return true;
    return false;
  }

  /** Whether something to this contact is unanswered that went in another group: what goes now could overtake it. */
  isUnderWayElsewhere(contact: string, group: string | undefined): boolean {
    for (const send of this.sends.values()) if (send.contact === contact && send.group !== group) return true;
    return false;
  }

  repeat(lane: string, seq: number): void {
    const repeats = this.repeats.get(lane) ?? new Set();
    this.repeats.set(lane, repeats.add(seq));
  }

  /** Waits for longer from time to time, up to a minute. */
  backOff(contact: string, now: number, atLeast = 0, atMost = RETRY_LAST_MS): void {
    const before = this.#delays.get(contact) ?? RETRY_MS / 2;
    // What was under way together is refused together.
    const delay = this.isPaused(contact, now) ? 0 : Math.min(2 * before, atMost);
    this.#delays.set(contact, delay || before);
    this.pause(contact, now + Math.max(delay, atLeast));
  }

  /** Something was taken: all is well again with this contact and this lane. */
  succeeded({ contact, lane }: Pick<Sending, "contact" | "lane">): void {
    this.#delays.delete(contact);
    this.blocked.delete(lane);
  }

  pause(contact: string, until: number): void {
    this.pausedContacts.set(contact, Math.max(until, this.pausedContacts.get(contact) ?? 0));
  }

  /** Something readable came, or its owner says so: what was refused before, for want of room perhaps, may be taken now. */
  found(contact: string): void {
    this.#delays.delete(contact);
    this.pausedContacts.delete(contact);
    this.strange.delete(contact);
    this.ending.delete(contact);
  }

  isPaused(contact: string, now: number): boolean {
    return (this.pausedContacts.get(contact) ?? 0) > now;
  }

  /**
   * When the first of the pauses ends that ran at `since`, the time of the last turn: one that has ended meanwhile has
   * kept something from that turn. Undefined if there is none.
   */
  nextResume(since: number): number | undefined {
    const ends = [this.pausedUntil, ...this.pausedContacts.values()].filter((end) => end > since);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }
}

/** What keeps an order of its own: a group, or what goes to one of its members alone. A refusal there holds up nothing else. */
export function laneOf({ group, direct }: { group: string; direct?: string | undefined }): string {
  return direct === undefined ? group : `${group}/${direct}`;
}

/** What we would refuse ourselves, so that a relay need not. */
export const tooLarge: Refusal = { code: 413, reason: "message_too_large", message: "more than the relay takes" };

/** A ciphertext that cannot be read any more is made anew, as where the relay does not know the group. */
export const unsendable: Refusal = { code: 403, reason: "not_a_member", message: "not readable here" };

/** The answer to a `send` or `commit`. */
export function asAck(answer: { frame: RelayFrame } | { refusal: Refusal }): Answered<RelayFrameData<"ack">> {
  if ("refusal" in answer) return answer;
  if (answer.frame.type === "ack") return { ok: answer.frame.data };
  // Anything else says nothing of what became of the message: it is sent again.
  return { refusal: { code: 500, reason: "internal", message: `answered by ${answer.frame.type}` } };
}

function keepEntries<K, V>(map: Map<K, V>): () => void {
  const before = [...map];
  return () => {
    map.clear();
    for (const [key, value] of before) map.set(key, value);
  };
}

function keepMembers<T>(set: Set<T>): () => void {
  const before = [...set];
  return () => {
    set.clear();
    for (const member of before) set.add(member);
  };
}

/** The end of all that waits for a contact that cannot be reached. */
export interface End {
  state: "failed" | "refused";
  reason: string;
  /** Whether receipts wait on, since what they say is said nowhere else. */
  keepsReceipts: boolean;
}
