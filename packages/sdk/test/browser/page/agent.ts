/** What the page of agent.test.ts can do: be an agent, and say what it has. */
import { Agent, listAgents } from "@aimessage/sdk/browser";

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
const close = (): Promise<void> => agent.close();

const page = { open, send, handled, ask, inbox, unfinished, holder, close, listAgents };
export type AgentPage = typeof page;
Object.assign(globalThis, { agentPage: page });
