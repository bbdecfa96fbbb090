/** Agents that live in this browser, each opened once by this page. */
import { Agent, checkUsername, IndexedDbStore, keepStorage } from "@aimessage/sdk/browser";
import type { OpenAgents } from "../back/agents-back.ts";
import type { Problem } from "../back/port.ts";
import { problemOf } from "../back/problems.ts";

/** Another page may have registered one. Milliseconds. */
const LOOK_MS = 2_000;
/** One that could not be opened may be again. Milliseconds. */
const AGAIN_MS = 10_000;

export class BrowserAgents implements OpenAgents {
  readonly #relay: string;
  readonly #agents = new Map<string, Agent | Problem>();
  /** Those that could not be opened, and when. */
  readonly #failed = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();
  #lookedAt = -Infinity;

  /** @param relay The URL of its WebSocket */
  constructor(relay: string) {
    this.#relay = relay;
  }

  async list(): Promise<ReadonlyMap<string, Agent | Problem>> {
    await this.#inTurn(async () => {
      if (performance.now() - this.#lookedAt < LOOK_MS) return;
      await this.#look();
      this.#lookedAt = performance.now();
    });
    return this.#agents;
  }

  /** Makes a new agent, whose keys stay here. @returns whether the browser keeps them also when its disk gets full */
  async register(username: string, invite: string | undefined): Promise<boolean> {
    checkUsername(username);
    const more = invite === undefined ? {} : { invite };
    await this.#inTurn(async () => this.#take(await Agent.open({ username, server: this.#relay, ...more })));
    return keepStorage();
  }

  /** Makes the agent of a backup this browser's, at this page's relay; the device before it stops. @returns its name, and as {@link register} */
  async restore(sealed: string, passphrase: string): Promise<{ name: string; isKept: boolean }> {
    const name = await this.#inTurn(async () =>
      this.#take(await Agent.restore(sealed, passphrase, { server: this.#relay })),
    );
    return { name, isKept: await keepStorage() };
  }

  async backup(username: string, passphrase: string): Promise<string> {
    return this.#open(username).backup(passphrase);
  }

  /** Removes an agent at its relay, and all that it has here. */
  async remove(username: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.#open(username).unregister();
      this.#agents.delete(username.toLowerCase());
    });
  }

  #open(username: string): Agent {
    const agent = this.#agents.get(username.toLowerCase());
    if (agent instanceof Agent) return agent;
    throw new Error(`${username} is not open here`);
  }

  #take(agent: Agent): string {
    const name = agent.username.toLowerCase();
    this.#agents.set(name, agent);
    return name;
  }

  async #look(): Promise<void> {
    const names = new Set(await IndexedDbStore.list());
    for (const name of names) {
      const isKnown = this.#agents.get(name) instanceof Agent;
      if (isKnown || performance.now() - (this.#failed.get(name) ?? -Infinity) < AGAIN_MS) continue;
      const opened = await Agent.open({ username: name, create: false }).catch(problemOf);
      if (!(opened instanceof Agent)) this.#failed.set(name, performance.now());
      // What was begun and not registered is none.
      if (opened instanceof Agent || opened.code !== "not_registered") this.#agents.set(name, opened);
      else this.#agents.delete(name);
    }
    for (const [name, agent] of this.#agents)
      if (!names.has(name)) {
        this.#agents.delete(name);
        if (agent instanceof Agent) await agent.close();
      }
  }

  /** One thing at a time: what is being registered is not opened beside that. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
