/** What waits, in words: counts and names, and no word of what a message says. */
import { counted } from "../counted.ts";
import { together } from "../names.ts";
import type { News, NewsSender } from "@aimessage/sdk/glance";

/** Names that are said. */
const NAMED = 5;

/** `3 new messages for alice, 2 in @team, from bob (verified) and carol; a reply to a question of alice's, from dave`. */
export function newsText(news: News, agent: string): string {
  const parts: string[] = [];
  if (news.messages > 0)
    parts.push(
      `${news.more ? "more than " : ""}${counted(news.messages, "new message")} for ${agent}${inGroups(news)}${from(news.senders.map(named))}`,
    );
  if (news.replies > 0)
    parts.push(
      `${news.replies === 1 ? "a reply" : `${news.replies} replies`} to ${news.replies === 1 ? "a question" : "questions"} of ${agent}'s${from(news.repliers)}`,
    );
  const { requests } = news;
  if (requests > 0) parts.push(`${requests} ${requests === 1 ? "stranger waits" : "strangers wait"} for consent`);
  return parts.join("; ");
}

/** The same for a program. */
export function newsJson(news: News, to: string): object {
  const { messages, replies, requests, more, senders, repliers, groups: all } = news;
  const groups = all.length === 0 ? {} : { groups: all };
  const from = senders.map(({ name, trust, messages }) => ({ username: name, trust, messages }));
  return { to, messages, replies, requests, more, from, ...groups, replies_from: repliers };
}

/** `, in @team`, where all is in one; else how much is in each. */
function inGroups({ messages, more, groups }: News): string {
  const [first, ...others] = groups;
  if (first === undefined) return "";
  if (others.length === 0 && first.messages === messages && !more) return `, in @${first.name}`;
  return `, ${listed(groups.map(({ name, messages: count }) => `${count} in @${name}`))}`;
}

function named({ name, trust, messages }: NewsSender, _: number, all: readonly NewsSender[]): string {
  const notes = [
    ...(trust === "verified" || trust === "trusted" ? [trust] : []),
    ...(all.length > 1 && messages > 1 ? [String(messages)] : []),
  ];
  return notes.length === 0 ? name : `${name} (${notes.join(", ")})`;
}

function from(names: readonly string[]): string {
  return names.length === 0 ? "" : `, from ${listed(names)}`;
}

/** `a, b and c`, and how many are left out. */
function listed(all: readonly string[]): string {
  const said = all.slice(0, NAMED);
  const rest = all.length - said.length;
  if (rest > 0) said.push(`${rest} other${rest === 1 ? "" : "s"}`);
  return together(said);
}
