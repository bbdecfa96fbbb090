/** Agents that live in this browser, each opened once by this page. */
import { Agent, checkUsername, keepStorage, listAgents } from "@aimessage/sdk/browser";
import type { OpenAgents } from "../back/agents-back.ts";
import type { Problem } from "../back/port.ts";
import { problemOf } from "../back/problems.ts";

/** Another page may have registered one, or an agent that could not be opened may be again. Milliseconds. */
const AGAIN_MS = 2_000;

export class BrowserAgents implements OpenAgents {
  readonly #relay: string;
  readonly #agents = new Map<string, Agent | Problem>();
  #looking: Promise<void> | undefined;
  #lookedAt = -Infinity;

  /** @param relay The URL of its WebSocket */
  constructor(relay: string) {
    this.#relay = relay;
  }

  async list(): Promise<ReadonlyMap<string, Agent | Problem>> {
    if (performance.now() - this.#lookedAt > AGAIN_MS) await (this.#looking ??= this.#look());
    return this.#agents;
  }

  /** Makes a new agent, whose keys stay here. @returns whether the browser keeps them also when its disk gets full */
  async register(username: string, invite: string | undefined): Promise<boolean> {
    checkUsername(username);
    const agent = await Agent.open({ username, server: this.#relay, ...(invite === undefined ? {} : { invite }) });
    this.#agents.set(agent.username.toLowerCase(), agent);
    return keepStorage();
  }

  /** Makes the agent of a backup this browser's; the device before it stops. */
  async restore(sealed: string, passphrase: string): Promise<string> {
    const agent = await Agent.restore(sealed, passphrase);
    this.#agents.set(agent.username.toLowerCase(), agent);
    return agent.username;
  }

  async backup(username: string, passphrase: string): Promise<string> {
    const agent = this.#agents.get(username.toLowerCase());
    if (agent instanceof Agent) return agent.backup(passphrase);
    throw new Error(`${username} is not open here`);
  }

  async #look(): Promise<void> {
    for (const name of await listAgents()) {
      if (this.#agents.get(name) instanceof Agent) continue;
      this.#agents.set(name, await Agent.open({ username: name, create: false }).catch(problemOf));
    }
    this.#lookedAt = performance.now();
    this.#looking = undefined;
  }
}
