/**
 * Guards against runaways: what of one contact is too much. Beyond a limit its messages wait for the owner, and the owner
 * hears of it. Counted here, from what we have received and sent ourselves: contacts have no say in it but by writing.
 */
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { teamAddress } from "../records/addresses.ts";
import { find, pad, put } from "../records/records.ts";
import type { AnsweredRecord, GuardLimits, HeardRecord } from "../records/consent-records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { Tier } from "../records/tier.ts";

/** Where the owner has said nothing. */
export const GUARDS: GuardLimits = {
  messages_per_hour: 100_000,
  bytes_per_day: 4 * 2 ** 30,
  answers_per_exchange: 50,
  answers_per_day: 10_000,
};
/** A trusted contact may have so many times as much. */
const TRUSTED = 10;
const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** What a message is too much of. */
export type Excess = keyof GuardLimits;

const NOTHING_HEARD: HeardRecord = { count: 0, hour_since: 0, messages: 0, day_since: 0, bytes: 0 };

export async function guardLimits(tx: ReadTransaction): Promise<GuardLimits> {
  return { ...GUARDS, ...(await find(tx, "meta/guards")) };
}

/** What is known of one contact when a message of it is judged. */
export interface Judged {
  limits: GuardLimits;
  tier: Tier;
  /** Changed by it, and to be kept. */
  heard: HeardRecord;
  answered: AnsweredRecord | undefined;
}

export async function judgedOf(tx: ReadTransaction, username: string, tier: Tier): Promise<Judged> {
  return {
    limits: await guardLimits(tx),
    tier,
    heard: (await find(tx, "heard/", username)) ?? { ...NOTHING_HEARD },
    answered: await find(tx, "answered/", username),
  };
}

/**
 * Counts a message that has come, and says of what it is too much; undefined if of nothing.
 * @param exchange Answers in its exchange without a person, see {@link exchangeOf}
 */
export function judge(
  { limits, tier, heard, answered }: Judged,
  now: number,
  { size, exchange }: { size: number; exchange: number },
): Excess | undefined {
  const times = tier === "trusted" ? TRUSTED : 1;
  // One that lies ahead is of a clock that was set back since: it would begin a window with each message.
  const renewed = (answered?.renewed_at ?? 0) > now ? 0 : (answered?.renewed_at ?? 0);
  if (isOver(heard.hour_since, HOUR_MS, now) || renewed > heard.hour_since)
    Object.assign(heard, { hour_since: now, messages: 0 });
  if (isOver(heard.day_since, DAY_MS, now) || renewed > heard.day_since)
    Object.assign(heard, { day_since: now, bytes: 0 });
  const answers = answered === undefined || isOver(answered.since, DAY_MS, now) ? 0 : answered.answers;
  if (exchange >= limits.answers_per_exchange * times) return "answers_per_exchange";
  if (answers >= limits.answers_per_day * times) return "answers_per_day";
  if (heard.messages >= limits.messages_per_hour * times) return "messages_per_hour";
  if (heard.bytes + size > limits.bytes_per_day * times) return "bytes_per_day";
  countIn(heard, size);
  return undefined;
}

/** Counts a message that goes into the inbox. `size`: bytes of its body. */
export function countIn(heard: HeardRecord, size: number): void {
  heard.count += 1;
  heard.messages += 1;
  heard.bytes += size;
}

/** A clock that was set back makes no window longer. */
export function isOver(since: number, length: number, now: number): boolean {
  return now - since >= length || now < since;
}

/**
 * Answers without a person in the exchange that a message goes on with; 0 where it begins one. By our own count of what it
 * answers, or by its sender's word, whichever is more: by that a contact can have its own mail wait, and what programs send because of it, and
 * nothing else.
 */
export async function exchangeOf(
  tx: ReadTransaction,
  {
    from,
    team,
    reply_to,
    exchange = 0,
    let_in,
  }: Pick<InboxRecord, "from" | "team" | "reply_to" | "exchange" | "let_in">,
): Promise<number> {
  if (let_in === true) return 0;
  const to = team === undefined ? from : teamAddress(team);
  return reply_to === undefined ? exchange : Math.max(exchange, await answersUpTo(tx, to, reply_to));
}

async function answersUpTo(tx: ReadTransaction, to: string, reply_to: string): Promise<number> {
  const seq = await tx.get(`out-id/${reply_to}`);
  const row = seq === undefined ? undefined : await find(tx, "out/", pad(Number(seq)));
  return row?.to === to ? (row.exchange ?? 0) : 0;
}

/** What is counted of a message of ours that no person has written. */
export interface Counted {
  exchange?: number;
  /** It reaches the limit: what answers it will wait. */
  excess?: Excess;
}

/**
 * Counts a message of ours that no person has written.
 * @param causes The messages that it answers, or that it is sent because of, whoever has sent those, as far as they are known
 * @param before Answers before it in the exchange, where its cause is of another agent here
 */
export async function countAnswer(
  tx: WriteTransaction,
  to: string,
  {
    now,
    tier,
    causes,
    before: told,
  }: { now: number; tier: Tier; causes: readonly InboxRecord[]; before: number | undefined },
): Promise<Counted> {
  const heard = (await find(tx, "heard/", to))?.count ?? 0;
  // Nothing has come of it: nothing is answered.
  if (heard === 0 && causes.length === 0 && told === undefined) return {};
  let exchange = told === undefined ? 0 : told + 1;
  for (const cause of causes) exchange = Math.max(exchange, (await exchangeOf(tx, cause)) + 1);
  const before = await find(tx, "answered/", to);
  const isNew = heard > (before?.heard ?? 0);
  const goesOn = before !== undefined && !isOver(before.since, DAY_MS, now);
  const count = (goesOn ? before.answers : 0) + 1;
  if (isNew)
    await put(tx, "answered/", to, {
      ...before,
      since: goesOn ? before.since : now,
      answers: count,
      heard,
    });
  const times = tier === "trusted" ? TRUSTED : 1;
  const limits = exchange > 0 || isNew ? await guardLimits(tx) : GUARDS;
  const excess =
    exchange === limits.answers_per_exchange * times
      ? "answers_per_exchange"
      : isNew && count === limits.answers_per_day * times
        ? "answers_per_day"
        : undefined;
  return { ...(exchange === 0 ? {} : { exchange }), ...(excess === undefined ? {} : { excess }) };
}

/**
 * Counts a message of ours to a team that no person has written. There an answer is answered by many, so the depth of an exchange bounds
 * nothing: what counts is how often this agent has answered answers since the last message that was none.
 */
export async function countTeamAnswer(
  tx: WriteTransaction,
  to: string,
  { now, causes, before: told }: { now: number; causes: readonly InboxRecord[]; before: number | undefined },
): Promise<Counted> {
  if (causes.length === 0 && told === undefined) return {};
  let depth = told === undefined ? 1 : told + 1;
  for (const cause of causes) depth = Math.max(depth, (await exchangeOf(tx, cause)) + 1);
  const before = await find(tx, "answered/", to);
  const goesOn = depth > 1 && before !== undefined && !isOver(before.since, DAY_MS, now);
  const answers = goesOn ? before.answers + 1 : 1;
  await put(tx, "answered/", to, { since: goesOn ? before.since : now, answers, heard: 0 });
  const exchange = Math.max(depth, answers);
  const { answers_per_exchange: most } = await guardLimits(tx);
  return { exchange, ...(exchange === most ? { excess: "answers_per_exchange" as const } : {}) };
}

/** A person goes on with somebody: everything is counted anew. `now`: Unix milliseconds. */
export async function goOn(tx: WriteTransaction, username: string, now: number): Promise<void> {
  const heard = (await find(tx, "heard/", username))?.count ?? 0;
  const before = await find(tx, "answered/", username);
  if (heard === 0 && before === undefined) return;
  // That the owner goes on gives its contact no more words than it has in a day.
  const words = before?.words === undefined ? {} : { words: before.words };
  await put(tx, "answered/", username, { since: now, answers: 0, heard, renewed_at: now, ...words });
}

const MEANINGS: Record<Excess, (name: string, limit: number) => string> = {
  answers_per_exchange: (name, limit) =>
    `${name} and this agent have answered each other ${limit} times without a person`,
  answers_per_day: (name, limit) =>
    `this agent has written to ${name} ${limit} times in a day after ${name} had, without a person`,
  messages_per_hour: (name, limit) => `${name} has sent more than ${limit} messages in an hour`,
  bytes_per_day: (name, limit) => `${name} has sent more than ${limit} bytes in a day`,
};

/** The alert about it. */
export function excessText(name: string, excess: Excess, { limits, tier }: Pick<Judged, "limits" | "tier">): string {
  const limit = limits[excess] * (tier === "trusted" ? TRUSTED : 1);
  // Members hold what others of them send, each by itself.
  if (name.startsWith("@"))
    return `${MEANINGS[excess](name, limit)}: what this agent sends there in this way may wait at the others until their owners release it, or a person writes`;
  return `${MEANINGS[excess](name, limit)}: what it sends in this way waits until you say: aimessage guard release ${name}; its guard may hold, too, and then both owners release`;
}
