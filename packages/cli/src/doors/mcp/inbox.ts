/** What waits for an assistant. To read is not to handle: nothing is taken from any other door by it. */
import type { Agent, InboxEntry, IncomingMessage, Pending } from "@aimessage/sdk/node";
import { costOf, FENCED } from "./fence.ts";
import type { Args } from "./schemas.ts";
import { previewOf, questionOf, wholeMessage, within } from "./shown.ts";

/** Tokens of check_inbox that previews may take, and questions. */
const PREVIEWS = 1_500;
const QUESTIONS = 500;
/** Tokens of a page, if nothing else is said. */
export const PAGE = 4_000;
/** Messages that are looked at at once. */
const AT_ONCE = 50;
/** For how long a question is shown that has ended. Milliseconds. */
const ENDED_MS = 3_600_000;
const OPEN = new Set(["open", "answered"]);

export async function checkInbox(agent: Agent, relay: string): Promise<object> {
  const pending = await agent.pending({ limit: AT_ONCE });
  const asked = await agent.questions();
  const replies = asked.filter(({ state }) => state === "answered").length;
  const unhandled = Math.max(0, (await agent.unhandled()) - replies);
  // Whoever asks waits.
  const first = pending.toSorted((a, b) => Number(b.expectsReply) - Number(a.expectsReply));
  const messages = within(first, PREVIEWS, previewOf);
  const questions = asked
    .filter(({ state, askedAt }) => OPEN.has(state) || Date.now() - askedAt < ENDED_MS)
    .toReversed();
  const shown = within(questions, QUESTIONS, questionOf);
  return {
    agent: agent.username,
    relay,
    unhandled,
    questions_to_you: pending.filter(({ expectsReply }) => expectsReply).length,
    replies_to_you: replies,
    waiting_for_owner: (await agent.requests.list()).length,
    ...(messages.length > 0 ? { note: FENCED } : {}),
    messages,
    ...(unhandled > messages.length ? { not_shown: unhandled - messages.length } : {}),
    your_questions: shown,
    ...(questions.length > shown.length ? { questions_not_shown: questions.length - shown.length } : {}),
  };
}

/** A message that has come, by the beginning of its id; or the reply to a question, by that of the question. @throws AgentError unknown_message */
export async function received(agent: Agent, typed: string): Promise<IncomingMessage & InboxEntry> {
  const id = await agent.inboxId(typed);
  const question = (await agent.questions()).find((each) => each.id === id);
  return agent.message(question?.replyId ?? id);
}

export async function readMessages(agent: Agent, args: Args<"read_messages">): Promise<object> {
  const { message_id: typed, offset = 0, from, after, max_tokens: tokens = PAGE } = args;
  if (typed !== undefined) {
    const message = await received(agent, typed);
    return { note: FENCED, messages: [wholeMessage(message, tokens, Math.floor(offset))] };
  }
  const behind = after === undefined ? undefined : await agent.inboxId(after);
  const pending = await agent.pending({ from, after: behind, limit: AT_ONCE });
  const messages: object[] = [];
  let left = tokens;
  for (const message of pending) {
    // The first is begun, however long it is. Others come whole, or on the next page.
    const shown = message.inWork ? previewOf(message) : wholeMessage(message, messages.length === 0 ? left : Infinity);
    left -= costOf(shown);
    if (left < 0 && messages.length > 0) break;
    messages.push(shown);
    if ("next_offset" in shown) break;
  }
  const isAll = messages.length === pending.length && pending.length < AT_ONCE;
  const last: Pending | undefined = pending[messages.length - 1];
  return { note: FENCED, messages, ...(isAll ? {} : { more: true, after: last?.id }) };
}
