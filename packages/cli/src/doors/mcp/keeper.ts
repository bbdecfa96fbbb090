/** The agent behind an assistant's tools. */
import type { Agent, AgentError, News } from "@aimessage/sdk/node";

/** How long the first call waits for what waits at the relay. Milliseconds. */
const CATCH_UP_MS = 1_500;

/**
 * Opens the agent when it is first needed, and keeps its link up from then on, or waits for it, so that mail comes while the
 * assistant does something else. Where there is no agent yet, the next call looks again.
 */
export class Keeper {
  /** How it stands with the relay. */
  relay = "connecting";
  /** Called with what waits, and with each batch that comes. */
  onNews: (news: News) => void = () => undefined;
  readonly #open: () => Promise<Agent>;
  readonly #end = new AbortController();
  #agent: Promise<Agent> | undefined;
  #following: Promise<void> | undefined;
  #ended = false;
  /** The agent before, if there was one. */
  #closing: Promise<void> | undefined;

  constructor(open: () => Promise<Agent>) {
    this.#open = open;
  }

  /** @throws AgentError not_registered, several_agents and the like */
  agent(): Promise<Agent> {
    if (this.#ended) this.#letGo();
    this.#agent ??= this.#begin().catch((error: unknown) => {
      this.#agent = undefined;
      throw error;
    });
    return this.#agent;
  }

  async close(): Promise<void> {
    this.#end.abort();
    const agent = await this.#agent?.catch(() => undefined);
    await this.#following;
    await this.#closing;
    await agent?.close();
  }

  /** What has ended its link for good, the owner may have mended since: whoever calls next opens another one. */
  #letGo(): void {
    this.#ended = false;
    // It is used no more, however its closing goes.
    this.#closing = this.#agent?.then((agent) => agent.close()).catch(() => undefined);
    this.#agent = undefined;
  }

  async #begin(): Promise<Agent> {
    await this.#closing;
    const agent = await this.#open();
    agent.onLink(({ state, detail }) => {
      if (state === "connected") this.relay = state;
      // Another process of this agent talks to it.
      else if (state === "waiting") this.relay = "connected by another process";
      else this.relay = detail;
    });
    this.#following = this.#follow(agent);
    // What waits at the relay is there when the first tool looks.
    await agent.sync({ timeout: CATCH_UP_MS, signal: this.#end.signal }).catch((error: AgentError) => {
      if (error.code !== "timeout") this.relay = whatIsWrong(error);
    });
    return agent;
  }

  /** Follows the inbox, of which it takes nothing. What ends that for good is what there is to say of the relay. */
  async #follow(agent: Agent): Promise<void> {
    try {
      for await (const news of agent.news({ signal: this.#end.signal })) this.onNews(news);
    } catch (error) {
      this.relay = whatIsWrong(error as AgentError);
      this.#ended = true;
    }
  }
}

/** An error in one sentence. */
export function whatIsWrong({ message, hint }: AgentError): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}
