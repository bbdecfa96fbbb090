/** What the page of agent.test.ts can do: be an agent, and say what it has. */
import { Agent, AgentError, listAgents } from "@aimessage/sdk/browser";

let agent: Agent;

/** @param answers Whether it handles what comes, and answers it */
async function open(username: string, server: string | undefined, answers: boolean): Promise<string> {
  agent = await Agent.open({ username, ...(server === undefined ? {} : { server }) });
  if (answers)
    void agent.handle(async (message) => {
      if (message.expectsReply) await message.handled({ body: `re: ${message.body}` });
    });
  return agent.fingerprint;
}

const send = async (to: string, body: string): Promise<string> => (await agent.send(to, body)).id;
const handled = async (id: string): Promise<string | undefined> => {
  await (await agent.sent(id))?.handled();
  return (await agent.status(id))?.state;
};
const ask = async (to: string, body: string): Promise<string> => (await agent.ask(to, body)).body;
const inbox = async (): Promise<string[]> => (await agent.inbox()).map(({ body }) => body);
const unfinished = async (): Promise<number> => (await agent.outbox.list()).length;
const holder = async (): Promise<string | undefined> => (await agent.linkHolder())?.role;

/** A large text that cannot be kept in less room. */
function noise(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  return Array.from(bytes, (byte) => byte.toString(36)).join("");
}

/** Sends large texts until one is refused. */
async function fill(to: string): Promise<{ ids: string[]; code: string | undefined }> {
  const ids: string[] = [];
  for (let at = 0; at < 200; at++)
    try {
      ids.push(await send(to, `${at} ${noise()}`));
    } catch (error) {
      return { ids, code: codeOf(error) };
    }
  return { ids, code: undefined };
}

/** The code with which an agent is not opened. */
const refusal = (username: string, server: string): Promise<string> =>
  open(username, server, false).then(() => "", codeOf);

function codeOf(error: unknown): string {
  return error instanceof AgentError ? error.code : String(error);
}

const page = { open, send, handled, ask, inbox, unfinished, fill, refusal, holder, listAgents };
export type AgentPage = typeof page;
Object.assign(globalThis, { agentPage: page });
