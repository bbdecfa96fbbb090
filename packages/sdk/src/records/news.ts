/** News of an inbox, told without a word of its texts: how much waits, and of whom. Next to nothing is behind it, so that a look is quick. */
import type { ContactRecord, InboxRecord, PeerStanding } from "./tables.ts";
import { type Tier, tierOfSender } from "./tier.ts";

/** A sender of what waits. */
export interface NewsSender {
  readonly name: string;
  /** How far the owner trusts the identity that has sent it, now. */
  readonly trust: Tier;
  readonly messages: number;
}

/** A group in which something waits. */
export interface NewsGroup {
  /** As it is called here. */
  readonly name: string;
  readonly messages: number;
}

/** A summary of what waits behind a place of the inbox. */
export interface News {
  /** The place of the newest of it: what is told next lies behind it. */
  readonly position: number;
  /** Messages that nobody has handled. */
  readonly messages: number;
  /** Replies to questions of ours that nobody has taken. */
  readonly replies: number;
  /** There is more than was looked at. */
  readonly more: boolean;
  /** Whom the messages are from, in the order in which they came; none where the store is sealed. */
  readonly senders: readonly NewsSender[];
  /** Those of the messages that were sent to groups, in the order in which they came; none where the store is sealed. */
  readonly groups: readonly NewsGroup[];
  /** Whom the replies are from. */
  readonly repliers: readonly string[];
  /** Strangers that wait for consent, who are never named. */
  readonly requests: number;
}

/** Messages that are looked at, the oldest. */
export const LOOKED_AT = 1_000;

/** The records that news are told by. */
export interface Found extends Pick<News, "position" | "more" | "requests"> {
  /** The rows of what is unhandled, in order; null for one that cannot be read. */
  rows: readonly (InboxRecord | null)[];
  /** Records of those who have sent it, by name. */
  about: ReadonlyMap<string, { contact: ContactRecord | undefined; standing: PeerStanding | undefined }>;
  /** Names of the groups that some of it was sent to, by key. */
  groupNames: ReadonlyMap<string, string>;
}

/**
 * News at a moment (Unix ms); undefined if there are none. Requests of strangers are no news of their own: they could have
 * an assistant go on and on.
 */
export function newsOf({ rows, about, groupNames, ...found }: Found, now: number): News | undefined {
  const senders = new Map<string, NewsSender>();
  const repliers = new Set<string>();
  const groups = new Map<string, NewsGroup>();
  let [messages, replies] = [0, 0];
  for (const row of rows) {
    if (row === null) messages += 1;
    else if ((row.expires_at ?? Infinity) <= now) continue;
    else if (row.answers !== undefined) {
      replies += 1;
      repliers.add(row.from_name);
    } else {
      messages += 1;
      const before = senders.get(row.from);
      const { contact, standing } = about.get(row.from) ?? {};
      const trust = before?.trust ?? tierOfSender(row.identity_key, contact, standing);
      senders.set(row.from, { name: row.from_name, trust, messages: (before?.messages ?? 0) + 1 });
      const group = row.team === undefined ? undefined : groupNames.get(row.team);
      if (group !== undefined) groups.set(group, { name: group, messages: (groups.get(group)?.messages ?? 0) + 1 });
    }
  }
  if (messages + replies === 0) return undefined;
  const named = { senders: [...senders.values()], groups: [...groups.values()], repliers: [...repliers] };
  return { ...found, messages, replies, ...named };
}
