/** The agents of a home, each opened once; who holds its link goes on holding it. */
import type { OpenAgents, Problem } from "@aimessage/console/back";
import { problemOf } from "@aimessage/console/back";
import type { Agent } from "@aimessage/sdk/node";
import { openOptions } from "../agent.ts";
import type { Call } from "../call.ts";

/** An agent that could not be opened is tried again so much later: its passphrase may be given, its disk be there. Milliseconds. */
const AGAIN_MS = 5_000;

export class HomeAgents implements OpenAgents, AsyncDisposable {
  readonly #call: Call;
  readonly #agents = new Map<string, { opened: Promise<Agent | Problem>; at: number; isOpen: boolean }>();
  /** Those that are being opened. One that is tried again is as it was until then: to try a passphrase takes a while. */
  readonly #opening = new Set<string>();

  constructor(call: Call) {
    this.#call = call;
  }

  async list(): Promise<ReadonlyMap<string, Agent | Problem>> {
    const { listAgents } = await import("@aimessage/sdk/node");
    const { home, username } = this.#call.settings;
    const names = username === undefined ? await listAgents(home) : [username.toLowerCase()];
    for (const name of names) {
      const known = this.#agents.get(name);
      if (known?.isOpen === true || this.#opening.has(name)) continue;
      if (known !== undefined && performance.now() - known.at < AGAIN_MS) continue;
      const entry = { opened: this.#open(name), at: performance.now(), isOpen: false };
      if (known === undefined) this.#agents.set(name, entry);
      this.#opening.add(name);
      void entry.opened.then((agent) => {
        entry.at = performance.now();
        entry.isOpen = !("code" in agent);
        this.#opening.delete(name);
        this.#agents.set(name, entry);
      });
    }
    for (const [name, { opened }] of this.#agents)
      if (!names.includes(name)) {
        this.#agents.delete(name);
        void opened.then(close);
      }
    const opened = Array.from(this.#agents, async ([name, entry]) => [name, await entry.opened] as const);
    return new Map(await Promise.all(opened));
  }

  async #open(name: string): Promise<Agent | Problem> {
    const { Agent } = await import("@aimessage/sdk/node");
    try {
      return await Agent.open({ ...openOptions(this.#call, "console"), username: name, create: false });
    } catch (error) {
      return problemOf(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#agents.values(), async ({ opened }) => close(await opened)));
  }
}

async function close(agent: Agent | Problem): Promise<void> {
  if (!("code" in agent)) await agent.close();
}
