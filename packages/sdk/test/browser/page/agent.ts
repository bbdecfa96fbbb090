/** What the page of agent.test.ts can do: be an agent, and say what it has. */
import { Agent, AgentError, IndexedDbStore, listAgents } from "@aimessage/sdk/browser";

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

/** Closes the agent, and has it have so many handled messages of somebody, as if they had come before. */
async function plant(from: string, count: number): Promise<void> {
  const { username } = agent;
  await agent.close();
  await using store = await IndexedDbStore.open(username);
  const begin = Date.now() - count;
  for (let first = 1; first <= count; first += 1_000)
    await store.write(async (tx) => {
      for (let seq = first; seq < first + 1_000; seq++) {
        const [key, local_id] = [String(seq).padStart(16, "0"), seq.toString(16).padStart(32, "0")];
        const times = { sent_at: begin + seq, received_at: begin + seq, settled_at: begin + seq };
        const marks = { offline: false, verified: false, state: "handled", content_type: "text/plain" };
        const row = { seq, id: `planted-${seq}`, local_id, from, from_name: from, ...times, ...marks };
        await tx.put(`in/${key}`, JSON.stringify(row));
        await tx.put(`in-body/${key}`, `message ${seq}`);
        await tx.put(`in-id/${local_id}`, String(seq));
      }
      await tx.put("meta/next-in", String(first + 1_000));
    });
}

/** How long it takes until the newest messages of a conversation are there: milliseconds. And which those are. */
async function look(from: string): Promise<{ ms: number; bodies: string[] }> {
  const began = performance.now();
  const lines = await agent.conversations.lines(from);
  return { ms: performance.now() - began, bodies: lines.map(({ message }) => message.body) };
}

const page = { plant, look, open, send, handled, ask, inbox, unfinished, fill, refusal, holder, listAgents };
export type AgentPage = typeof page;
Object.assign(globalThis, { agentPage: page });
