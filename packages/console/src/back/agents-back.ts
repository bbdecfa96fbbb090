/** The console's port over agents of the SDK, wherever these live. */
import type { Agent, FileToSend, IncomingFile, LinkEvent } from "@aimessage/sdk";
import { readPairingLine } from "@aimessage/sdk";
import { healthView } from "./health.ts";
import { cameView, lineView, linesOf } from "./lines.ts";
import { type Given, methods } from "./methods.ts";
import { type Answers, type Back, BackError, type FileAsked, type Method, type Problem } from "./port.ts";
import { problemOf } from "./problems.ts";
import { agentView, contactView, conversationViews, groupView, linkView, todoView } from "./views.ts";

/** How long a change is waited for that other agents or the relay have a part in. Milliseconds. */
const WAIT_MS = 10_000;
/** How long a reply to a question that a person has asked is of use. Milliseconds. */
const DAY_MS = 86_400_000;
/** Changes of an agent that come together are told once. Milliseconds. */
const GATHER_MS = 50;
/** A link that has ended is tried again: its store may have been busy. Milliseconds. */
const LINK_AGAIN_MS = 10_000;
/** How long an agent that was registered or removed meanwhile goes unnoticed. Milliseconds. */
const LOOK_MS = 2_000;

/** The largest file that is given to a page. Bytes. */
export const MOST_FILE_BYTES = 2 ** 31;

/** Where agents are, opened. */
export interface OpenAgents {
  /** All that there are now; of one that cannot be opened, why. */
  list(): Promise<ReadonlyMap<string, Agent | Problem>>;
}

/** What a link has said last, and why it has ended. */
export interface FollowedLink {
  last?: LinkEvent;
  ended?: Problem;
}

/** Files as the SDK takes them. */
export interface GivenFiles {
  files?: FileToSend[];
  signal?: AbortSignal | undefined;
}

type Answer<M extends Method> = (agent: Agent, given: Given<M>, more: GivenFiles) => Promise<Answers[M]>;

const answers: { [M in Exclude<Method, "agents">]: Answer<M> } = {
  conversations: conversationViews,
  lines: linesOf,
  whole: async (agent, { with: name, id }) => {
    if (name === undefined) return { body: (await agent.message(id)).body };
    const [line] = await agent.conversations.some(name, [id]);
    if (line === undefined) throw gone(id);
    return { body: lineView(line, agent.username, true).body };
  },
  send: async (agent, { to, body, asks }, { files }) => {
    const options = { byPerson: true, ...(files === undefined ? {} : { files }) };
    if (asks !== true) return { id: (await agent.send(to, body, options)).id };
    const { id } = await agent.question(to, body, { ...options, timeout: DAY_MS });
    return { id };
  },
  reply: async (agent, { id, body }, { files }) => {
    const message = await agent.message(id);
    const options = { byPerson: true, ...(files === undefined ? {} : { files }) };
    if (message.state !== "unhandled") return { id: (await message.reply(body, options)).id };
    await message.handled({ body, options });
    return { id: (await message.answer())?.id ?? "" };
  },
  settle: async (agent, { id, as, reason = "the owner has put it aside" }) => {
    const message = await agent.message(id);
    if (as === "handled") await message.handled();
    else await message.failed(reason);
    return null;
  },
  todo: todoView,
  shown: async (agent, { name, whole }) => (await agent.requests.show(name)).map((message) => cameView(message, whole)),
  decide: async (agent, { name, as }) => {
    if (as === "accept") return { messages: await agent.requests.accept(name) };
    if (as === "refuse") return { messages: await agent.requests.refuse(name) };
    if (as === "release") return { messages: await agent.guard.release(name) };
    await agent.block(name);
    return { messages: 0 };
  },
  dead: async (agent, { id, as }) => {
    await agent.deadLetters[as](id);
    return null;
  },
  outbox: async (agent, { id, as }) => {
    await agent.outbox[as](id);
    return null;
  },
  contacts: async (agent) => (await agent.contacts()).map(contactView),
  contact: async (agent, { name, as, fingerprint }) => {
    if (as === "trust") return contactView(await agent.trust(name, { timeout: WAIT_MS, shown: fingerprint }));
    if (as === "block" || as === "allow") return contactView(await agent[as](name));
    return contactView(await agent.setTier(name, as));
  },
  verify: async (agent, { name, fingerprint }) =>
    contactView(await agent.verify(name, fingerprint, { timeout: WAIT_MS })),
  card: async (agent) => {
    const line = await agent.pairing.card();
    return { fingerprint: agent.fingerprint, ...(line === undefined ? {} : { line }) };
  },
  pair: async (agent, { for: name }) => {
    const { line, id, expiresAt } = await agent.pairing.open(name === undefined ? {} : { for: name });
    return { line, id, expiresAt };
  },
  takeLine: async (agent, { line }) => {
    const read = readPairingLine(line);
    if (read.code === undefined) {
      const { username } = await agent.pairing.add(line, { timeout: WAIT_MS });
      return { with: username, state: "added" };
    }
    await agent.pairing.take(read);
    return { with: read.username, state: "shown" };
  },
  pairing: async (agent, { id, as }) => {
    await agent.pairing[as](id);
    return null;
  },
  groups: async (agent) => (await agent.groups.list()).map((group) => groupView(group, agent.username)),
  members: async (agent, { group }) =>
    (await agent.groups.members(group)).map(({ name, isAdmin, isSelf, trust: tier, verified, isChanged }) => ({
      name,
      isAdmin,
      isSelf,
      tier,
      verified,
      isChanged,
    })),
  group: async (agent, { group, as, names = [], about }) => {
    const wait = { timeout: WAIT_MS };
    if (as === "create")
      await agent.groups.create(group, names, { ...wait, ...(about === undefined ? {} : { about }) });
    else if (as === "accept") await agent.groups.accept(group);
    else if (as === "leave" || as === "refuse") await agent.groups[as](group, wait);
    else await agent.groups[as](group, names, wait);
    return null;
  },
  search: (agent, { text }) => agent.conversations.search(text),
  health: (agent, _given, { signal }) => healthView(agent, signal),
};

/** All of {@link Back} but what takes and gives files as a page has them. */
export class AgentsBack implements Pick<Back, "changes">, Disposable {
  readonly #agents: OpenAgents;
  /** Those that are followed. */
  readonly #links = new Map<Agent, FollowedLink>();
  readonly #listeners = new Set<(agent: string) => void>();
  readonly #ended = new AbortController();

  constructor(agents: OpenAgents) {
    this.#agents = agents;
  }

  /** What a method gives back, of what is not known to be right. @throws BackError */
  async answer<M extends Method>(method: M, given: unknown, more: GivenFiles = {}): Promise<Answers[M]> {
    const checked = methods[method].safeParse(given);
    if (!checked.success) {
      const { path = [], message } = checked.error.issues[0] ?? { message: "" };
      throw new BackError({
        code: "usage",
        message: `${path.join(".") || method}: ${message}`,
        hint: "reload the page",
      });
    }
    try {
      if (method === "agents") return (await this.#views()) as Answers[M];
      const answer = (answers as Record<Method, Answer<Method>>)[method];
      const asked = checked.data as Given<Method> & { agent: string };
      return (await answer(await this.agentOf(asked.agent), asked, more)) as Answers[M];
    } catch (error) {
      throw new BackError(problemOf(error));
    }
  }

  /** A file of a message that has come, in pieces; whole only if it ends without an error. @throws BackError; from the iteration what the SDK throws */
  async stream(asked: FileAsked, signal?: AbortSignal): Promise<{ stream: AsyncIterable<Uint8Array>; bytes: number }> {
    try {
      const file = await this.fileOf(asked);
      const options = { maxBytes: MOST_FILE_BYTES, ...(signal === undefined ? {} : { signal }) };
      return { stream: file.stream(options), bytes: file.bytes };
    } catch (error) {
      throw new BackError(problemOf(error));
    }
  }

  /** @throws BackError, or what the SDK throws */
  protected async fileOf({ agent, id, index }: FileAsked): Promise<IncomingFile> {
    const file = (await (await this.agentOf(agent)).message(id)).files[index];
    if (file === undefined) throw gone(`${id}, file ${index}`);
    return file;
  }

  async *changes(signal: AbortSignal): AsyncGenerator<string, void, undefined> {
    const changed = new Set<string>();
    let waking = Promise.withResolvers<void>();
    const listener = (agent: string): void => {
      changed.add(agent);
      waking.resolve();
    };
    const end = (): void => waking.resolve();
    this.#listeners.add(listener);
    signal.addEventListener("abort", end);
    let names = "";
    try {
      while (!signal.aborted) {
        // Agents that come and go are in no store that is followed.
        const now = [...(await this.#follow()).keys()].join(" ");
        if (now !== names) changed.add("");
        names = now;
        const told = [...changed];
        changed.clear();
        yield* told;
        const timer = setTimeout(end, LOOK_MS);
        await waking.promise;
        clearTimeout(timer);
        await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
        waking = Promise.withResolvers();
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", end);
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  /** Where no other process or page talks to the relay for it, this one does. */
  async #keepLink(agent: Agent, link: FollowedLink, tell: () => void): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        for await (const news of agent.news({ signal })) void news;
      } catch (error) {
        if (signal.aborted) return;
        const isNews = link.ended === undefined;
        link.ended = problemOf(error);
        if (isNews) tell();
      }
      await pause(LINK_AGAIN_MS, signal);
    }
  }

  async #views(): Promise<Answers["agents"]> {
    const all = await this.#follow();
    return Promise.all(
      Array.from(all, async ([name, agent]) => {
        if (isProblem(agent)) return unopened(name, agent);
        return agentView(name, agent, linkView(this.#links.get(agent))).catch((error: unknown) =>
          unopened(name, problemOf(error)),
        );
      }),
    );
  }

  /** @throws BackError */
  protected async agentOf(name: string): Promise<Agent> {
    const agent = (await this.#follow()).get(name.toLowerCase());
    if (agent === undefined) throw new BackError({ code: "not_registered", message: `there is no agent ${name} here` });
    if (isProblem(agent)) throw new BackError(agent);
    return agent;
  }

  /** Follows each agent that there is. */
  async #follow(): Promise<ReadonlyMap<string, Agent | Problem>> {
    const all = await this.#agents.list();
    for (const [name, agent] of all) {
      if (isProblem(agent) || this.#links.has(agent)) continue;
      const link: FollowedLink = {};
      this.#links.set(agent, link);
      const tell = (): void => {
        for (const listener of this.#listeners) listener(name);
      };
      agent.onChange(tell);
      agent.onLink((event) => {
        const isNews =
          link.ended !== undefined || event.state !== link.last?.state || event.detail !== link.last.detail;
        link.last = event;
        delete link.ended;
        if (isNews) tell();
      });
      void this.#keepLink(agent, link, tell);
    }
    return all;
  }
}

/** Ends sooner with `signal`, and leaves nothing at it. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

function isProblem(agent: Agent | Problem): agent is Problem {
  return "code" in agent;
}

function unopened(name: string, problem: Problem): Answers["agents"][number] {
  const none = { unread: 0, questions: 0, stuck: 0, dead: 0, decisions: 0 };
  return { name, ...none, link: { state: "unknown", detail: "" }, problem };
}

function gone(what: string): BackError {
  return new BackError({
    code: "unknown_message",
    message: `message ${what} is not known any more`,
    hint: "reload the page",
  });
}
