/** What waits for an assistant. To read is not to handle: nothing is taken from any other door by it. */
import type { Agent, InboxEntry, IncomingMessage, Pending, Question } from "@aimessage/sdk/node";
import { isAgentError, UsageError } from "../../errors.ts";
import { costOf, FENCED } from "./fence.ts";
import { invitations } from "./groups.ts";
import type { Args } from "./schemas.ts";
import type { Calling } from "./tools.ts";
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
  const pending = await agent.pending({ limit: AT_ONCE, bodies: false });
  const asked = await agent.questions();
  const replies = asked.filter(({ state }) => state === "answered").length;
  const unhandled = Math.max(0, (await agent.unhandled()) - replies);
  // Whoever asks waits.
  const first = pending.toSorted((a, b) => Number(b.expectsReply) - Number(a.expectsReply));
  const messages = await within(first, PREVIEWS, async (message) => previewOf(await whole(agent, message)));
  const questions = asked
    .filter(({ state, askedAt }) => OPEN.has(state) || Date.now() - askedAt < ENDED_MS)
    .toReversed();
  const shown = await within(questions, QUESTIONS, questionOf);
  return {
    agent: agent.username,
    relay,
    unhandled,
    questions_to_you: pending.filter(({ expectsReply }) => expectsReply).length,
    replies_to_you: replies,
    waiting_for_owner: (await agent.requests.list()).length + (await invitations(agent)),
    ...(messages.length > 0 ? { note: FENCED } : {}),
    messages,
    ...(unhandled > messages.length ? { not_shown: unhandled - messages.length } : {}),
    your_questions: shown,
    ...(questions.length > shown.length ? { questions_not_shown: questions.length - shown.length } : {}),
  };
}

/** A message that has come, by the beginning of its id; or the reply to a question, by that of the question. @throws AgentError unknown_message, usage */
export async function received(agent: Agent, typed: string): Promise<IncomingMessage & InboxEntry> {
  try {
    return await agent.message(await agent.inboxId(typed));
  } catch (error) {
    const question = isUnknown(error) ? await questionBy(agent, typed) : undefined;
    if (question === undefined) throw error;
    if (question.replyId !== undefined) return agent.message(question.replyId);
    throw new UsageError("no reply to this question is here", "message_status says what became of the question");
  }
}

/** A question of ours, by the beginning of its id; undefined if it is none. @throws AgentError usage */
export async function questionBy(agent: Agent, typed: string): Promise<Question | undefined> {
  try {
    return await (await agent.asked(typed)).status();
  } catch (error) {
    if (isUnknown(error)) return undefined;
    throw error;
  }
}

function isUnknown(error: unknown): boolean {
  return isAgentError(error) && error.code === "unknown_message";
}

/** A message that was looked at without its body, with it. */
async function whole(agent: Agent, { id, inWork }: Pending): Promise<Pending> {
  return { ...(await agent.message(id)), inWork };
}

export async function readMessages(
  args: Args<"read_messages">,
  calling: Pick<Calling, "agent" | "files" | "left">,
): Promise<object> {
  const { agent, files } = calling;
  const { message_id: typed, offset = 0, from, after, max_tokens: tokens = PAGE, save_to: folder } = args;
  if (typed !== undefined) {
    const message = await received(agent, typed);
    const saved = folder === undefined ? undefined : await files.save(message, folder, calling.left());
    return { note: FENCED, messages: [wholeMessage(message, tokens, { offset: Math.floor(offset), ...saved })] };
  }
  if (folder !== undefined) throw new UsageError("save_to needs message_id", "nothing was saved");
  const behind = after === undefined ? undefined : await agent.inboxId(after);
  const pending = await agent.pending({ from, after: behind, limit: AT_ONCE, bodies: false });
  const messages: object[] = [];
  let left = tokens;
  for (const each of pending) {
    const message = await whole(agent, each);
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
