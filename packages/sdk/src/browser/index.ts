/** AI Message for browsers: agents that live in a database of the page's origin. */
import { Agent as CoreAgent, AgentError, checkUsername, openAgent, type OpenAgentOptions } from "../index.ts";
import { usernameKey } from "../protocol/index.ts";
import { readAccount } from "../records/own-account.ts";
import { IndexedDbStore } from "./indexed-db-store.ts";

export * from "../index.ts";
export { IndexedDbStore } from "./indexed-db-store.ts";

export interface OpenOptions extends Omit<OpenAgentOptions, "store" | "username" | "provider" | "files" | "again"> {
  username: string;
}

/** An agent in a database of its own. Any number of tabs may have it open: one of them talks to the relay for all. */
export class Agent extends CoreAgent {
  /** Registers once, then loads. @throws AgentError usage where the page cannot keep keys, and what `openAgent` throws */
  static async open(options: OpenOptions): Promise<Agent> {
    checkUsername(options.username);
    checkPage();
    const store = await IndexedDbStore.open(usernameKey(options.username));
    try {
      return await openAgent({ role: "page", ...options, store }, Agent);
    } catch (error) {
      await store.close();
      throw error;
    }
  }
}

/** Names of the agents of this page's origin, sorted. */
export async function listAgents(): Promise<string[]> {
  checkPage();
  const names: string[] = [];
  for (const name of await IndexedDbStore.list()) {
    await using store = await IndexedDbStore.open(name);
    // What was begun and not registered is none.
    if ((await store.read((tx) => readAccount(tx)))?.relay.registered === true) names.push(name);
  }
  return names.sort();
}

/**
 * Asks the browser to keep what this origin has, also when its disk gets full.
 * @returns whether it does: else an agent may be gone one day, and needs a backup
 */
export async function keepStorage(): Promise<boolean> {
  return navigator.storage.persist();
}

/** What is served without TLS from another machine has neither locks nor cryptography. */
function checkPage(): void {
  if (globalThis.isSecureContext) return;
  throw new AgentError("usage", "this page is not served securely, so that it can keep no keys", {
    hint: "open it by https://, or by http://localhost",
  });
}
