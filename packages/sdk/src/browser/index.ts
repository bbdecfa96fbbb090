/** AI Message for browsers: agents that live in a database of the page's origin. */
import { Agent as CoreAgent, AgentError, checkUsername, openAgent, type OpenAgentOptions } from "../index.ts";
import { makeBackup, readBackup, restoreBackup } from "../agent/backup.ts";
import { openBackup, sealBackup } from "../agent/backup-file.ts";
import type { LeaveOptions } from "../agent/leave.ts";
import { usernameKey } from "../protocol/index.ts";
import { readAccount } from "../records/own-account.ts";
import { browserFileHost, fileOf, hasFiles, removeFileOf, removeFiles } from "./file-host.ts";
import { IndexedDbStore } from "./indexed-db-store.ts";
import { browserSealer } from "./sealer.ts";

export * from "../index.ts";
export { fileToSend } from "./given-file.ts";
export { IndexedDbStore } from "./indexed-db-store.ts";

export interface OpenOptions extends Omit<OpenAgentOptions, "store" | "username" | "provider" | "files" | "again"> {
  username: string;
}

/** An agent in a database of its own. Any number of tabs may have it open: one of them talks to the relay for all. */
export class Agent extends CoreAgent {
  #kept!: IndexedDbStore;

  /** Registers once, then loads. @throws AgentError usage where the page cannot keep keys, and what `openAgent` throws */
  static async open(options: OpenOptions): Promise<Agent> {
    checkUsername(options.username);
    checkPage();
    const name = usernameKey(options.username);
    const store = await IndexedDbStore.open(name);
    try {
      const files = hasFiles() ? browserFileHost(name) : undefined;
      // A page that was closed while it unregistered an agent of that name has left some.
      if (files !== undefined && (await store.read((tx) => readAccount(tx))) === undefined) await removeFiles(name);
      const agent = (await openAgent({ role: "page", ...options, store, files }, Agent)) as Agent;
      agent.#kept = store;
      return agent;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * Makes the agent of a backup this origin's, as a new device of the same identity: it takes the place of the one before, which stops.
   * @throws AgentError bad_backup, wrong_passphrase, already_registered, and what {@link open} throws
   */
  static async restore(sealed: string, passphrase: string, options: Partial<OpenOptions> = {}): Promise<Agent> {
    checkPage();
    const backup = readBackup(await openBackup(browserSealer, sealed, passphrase));
    {
      await using store = await IndexedDbStore.open(usernameKey(backup.username));
      await restoreBackup(store, backup, undefined);
    }
    return Agent.open({ ...options, username: backup.username, create: true });
  }

  /**
   * A file of a message that was saved here, for the page to offer as a download (`URL.createObjectURL`): all of it has come and was verified. Nothing
   * of it is read before the page does, and it has no type, since what is opened by the address of one is a page of this origin.
   * @param path What `save` said
   * @returns undefined if it is not there any more
   */
  savedFile(path: string): Promise<File | undefined> {
    return fileOf(usernameKey(this.username), path);
  }

  /** Removes a file that was saved here, as when the page has had it downloaded: else it takes room until the agent unregisters. @returns whether it was there */
  removeSaved(path: string): Promise<boolean> {
    return removeFileOf(usernameKey(this.username), path);
  }

  /** Removes the agent at its relay, and all that it has in this browser, files that were saved too. @returns whether it was there */
  override async unregister(options: LeaveOptions = {}): Promise<boolean> {
    const wasThere = await super.unregister(options);
    await this.close();
    if (hasFiles()) await removeFiles(usernameKey(this.username));
    return wasThere;
  }

  /** Identity and contacts in one encrypted file: no device's keys, no messages. The passphrase is all that protects it. @throws AgentError weak_passphrase */
  async backup(passphrase: string): Promise<string> {
    return sealBackup(browserSealer, JSON.stringify(await makeBackup(this.#kept)), passphrase);
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
