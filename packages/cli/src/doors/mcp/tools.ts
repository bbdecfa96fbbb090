/** What the tools of an assistant do. */
import type { Agent, MessageStatus, Sent } from "@aimessage/sdk/node";
import { usernameKey } from "@aimessage/sdk/protocol";
import { AskError, isAgentError, SendError, UsageError } from "../../errors.ts";
import { FENCED } from "./fence.ts";
import { groupOf, groupsOf, recipientsOf } from "./groups.ts";
import { checkInbox, PAGE, questionBy, readMessages, received } from "./inbox.ts";
import { whatIsWrong } from "./keeper.ts";
import type { Args, ToolName } from "./schemas.ts";
import type { McpFiles } from "./mcp-files.ts";
import { addressee, contactOf, questionOf, statusOf, time, wholeMessage, word } from "./shown.ts";

/** Within this time the same message is the same message: a model repeats what it has not seen the result of. Milliseconds. */
const SAME_MS = 600_000;
/** How long the relay's word on a message is waited for. Milliseconds. */
const STORED_MS = 2_000;
const MINUTE_MS = 60_000;
/** Contacts that are shown. */
const CONTACTS = 100;

const LATER =
  "no reply yet. It is kept: do not ask again. message_status with this ask_id shows the reply once it has come; check_inbox lists it";
const QUEUED = "kept on this machine, and sent as soon as the relay can be reached: do not send it again";

/** What a call has in hand. */
export interface Calling {
  agent: Agent;
  /** How it stands with the relay. */
  relay: string;
  /** Aborted when nobody waits for the result any more. */
  signal: AbortSignal;
  /** Milliseconds that the call may still take. */
  left: () => number;
  files: McpFiles;
}

type Tools = { [N in ToolName]: (args: Args<N>, calling: Calling) => Promise<object> };

export const run: Tools = {
  check_inbox: (_args, { agent, relay }) => checkInbox(agent, relay),
  read_messages: (args, calling) => readMessages(args, calling),

  send_message: async ({ to, body, files, thread, again }, calling) => {
    const options = { ...marks(thread), ...once(again), ...calling.files.given(files) };
    return progress(await calling.agent.send(to, bodyOf(body, files), options), calling);
  },

  ask_agent: async ({ to, body, files, thread, expires_minutes: minutes = 1_440, again }, calling) => {
    const { agent, signal, left } = calling;
    const timeout = Math.round(minutes * MINUTE_MS);
    const options = { ...marks(thread), ...once(again), ...calling.files.given(files), timeout };
    const asked = await agent.question(to, bodyOf(body, files), options);
    const known = { ask_id: asked.id, to: addressee(asked.to), ...(asked.repeated ? { repeated: true } : {}) };
    try {
      const reply = await asked.reply({ timeout: left(), signal });
      return { ...known, note: FENCED, reply: wholeMessage(reply, PAGE) };
    } catch (error) {
      if ((await asked.status()).state !== "open") throw new AskError(asked.id, error);
      return { ...known, state: "open", until: time(asked.deadline), ...problemOf(error), next: LATER };
    }
  },

  reply_to_message: async ({ message_id: typed, body: given, files, privately, again }, calling) => {
    const { agent } = calling;
    const body = bodyOf(given, files);
    const options = { ...calling.files.given(files), ...(privately === true ? { privately } : {}) };
    const message = await received(agent, typed);
    const isOver = message.state !== "unhandled";
    if (!isOver && (message.expiresAt ?? Infinity) <= Date.now())
      throw new UsageError(
        "the time of this message is over: nobody waits for an answer",
        "send_message still reaches its sender",
      );
    const isNew = isOver && again === true;
    if (!isNew) await message.handled({ body, options });
    const reply = isNew ? await message.reply(body, options) : await message.answer();
    if (reply === undefined)
      throw new UsageError(
        `the message is ${(await received(agent, message.id)).state} already, and was not answered`,
        "nothing was sent; with again: true it is",
      );
    const repeated = isOver && !isNew ? { repeated: true } : {};
    return { ...(await progress(reply, calling)), ...repeated, in_reply_to: message.id };
  },

  mark_handled: async ({ message_id: typed, failed }, { agent }) => {
    const message = await received(agent, typed);
    if (message.state !== "unhandled") return { message_id: message.id, state: message.state, repeated: true };
    if (failed === undefined) await message.handled();
    else await message.failed(failed);
    return { message_id: message.id, state: failed === undefined ? "handled" : "failed" };
  },

  message_status: async ({ message_id: typed, max_tokens: tokens = PAGE }, { agent }) => {
    const id = await agent.outbox.idOf(typed);
    const status = await agent.status(id);
    if (status === undefined) {
      const { id: local, from, state, reason } = await received(agent, typed).catch(asNeither(typed));
      return { message_id: local, from, state, ...(reason === undefined ? {} : { reason: word(reason) }) };
    }
    const question = await questionBy(agent, id);
    if (question === undefined) return { ...statusOf(status), ...(await atMembers(agent, status)) };
    const known = { ...statusOf(status), ...questionOf(question) };
    if (question.replyId === undefined) return known;
    return { ...known, note: FENCED, reply: wholeMessage(await agent.message(question.replyId), tokens) };
  },

  list_agents: async ({ name = "" }, { agent }) => {
    if (name.startsWith("@")) return groupOf(agent, name);
    // Whoever waits for the owner's consent is a number, and no name: that is the stranger's to choose.
    const waiting = new Set((await agent.requests.list()).map(({ username }) => usernameKey(username)));
    const isOpen = (await agent.requests.policy()) === "open";
    const known = (await agent.contacts()).filter(
      ({ username, tier }) => !waiting.has(username) && (isOpen || tier !== "unknown"),
    );
    const all = known.filter(({ username }) => username.includes(name.toLowerCase()));
    const first = all.toSorted((a, b) => (b.heardAt ?? 0) - (a.heardAt ?? 0)).slice(0, CONTACTS);
    const agents = first.map(contactOf);
    return {
      you: agent.username,
      agents,
      ...(all.length > agents.length ? { not_shown: all.length - agents.length } : {}),
      ...(await groupsOf(agent, name)),
    };
  },
};

/** Of a message to a group. */
async function atMembers(agent: Agent, { id, to }: MessageStatus): Promise<object> {
  const sent = to.startsWith("@") ? await agent.sent(id) : undefined;
  return sent === undefined ? {} : { recipients: recipientsOf(await sent.recipients()) };
}

/** @throws UsageError if there is neither a text nor a file */
function bodyOf(body: string | undefined, files: readonly string[] = []): string {
  if (body !== undefined || files.length > 0) return body ?? "";
  throw new UsageError("body: only with files may it be left out", "nothing was done");
}

function marks(thread: string | undefined): { thread?: string } {
  return thread === undefined ? {} : { thread };
}

function once(again: boolean | undefined): { sameWithin?: number } {
  return again === true ? {} : { sameWithin: SAME_MS };
}

/** How far a message is, after a moment. @throws SendError if it has ended in vain */
async function progress(sent: Sent, { signal, left }: Calling): Promise<object> {
  const known = { message_id: sent.id, to: addressee(sent.to), ...(sent.repeated ? { repeated: true } : {}) };
  try {
    const { state, delivered } = await sent.stored({ timeout: Math.min(left(), STORED_MS), signal });
    return { ...known, status: state, ...(state === "stored" ? { waits_for_recipient: delivered !== true } : {}) };
  } catch (error) {
    const status = await sent.status();
    if (status.state !== "queued") throw new SendError(status, error);
    return { ...known, status: status.state, ...problemOf(error), next: QUEUED };
  }
}

/** What is wrong with the way to the relay, if that is why nothing is known. */
function problemOf(error: unknown): { problem?: string } {
  if (!isAgentError(error) || error.code === "timeout" || error.code === "aborted") return {};
  return { problem: whatIsWrong(error) };
}

/** An id of which it is not known whether the message was sent or received. */
function asNeither(id: string): (error: unknown) => Promise<never> {
  return async (error) => {
    if (!isAgentError(error) || error.code !== "unknown_message") throw error;
    const { AgentError } = await import("@aimessage/sdk/node");
    throw new AgentError("unknown_message", `no message ${id} was sent or received here`, { cause: error });
  };
}
