/** AI Message for Node and Bun: agents that live in a folder. */
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  Agent as CoreAgent,
  AgentError,
  checkUsername,
  type IncomingMessage,
  type ListenOptions,
  openAgent,
  type OpenAgentOptions,
} from "../index.ts";
import { readAccount } from "../records/own-account.ts";
import type { Again } from "../agent/open.ts";
import { makeBackup, readBackup, restoreBackup } from "../agent/backup.ts";
import type { LeaveOptions } from "../agent/leave.ts";
import { serverUrl } from "../agent/server-url.ts";
import { usernameKey } from "../protocol/index.ts";
import { becauseOf } from "./because.ts";
import { openBackup, sealBackup } from "../agent/backup-file.ts";
import { nodeSealer } from "./passphrase.ts";
import { ANNOUNCED, COMMANDS, homeFolder, PROCESSES } from "./home.ts";
import { nodeCryptoProvider } from "./provider.ts";
import { nodeFileHost } from "./file-host.ts";
import { readOnly } from "./sqlite-errors.ts";
import { asOwnerOf } from "./program/owner.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { nodeTransport } from "./transport.ts";

export * from "../index.ts";
export { serverUrl } from "../agent/server-url.ts";
export { checkNewPassphrase, newPassphrase } from "../agent/new-passphrase.ts";
export { idMeantBy } from "../agent/short-ids.ts";
export { FilesRoot } from "./files-root.ts";
export { linkHolder } from "./link-lock.ts";
export { nodeCryptoProvider } from "./provider.ts";
export { SqliteStore } from "./sqlite-store.ts";

export interface OpenOptions extends Omit<OpenAgentOptions, "store" | "provider" | "transport" | "files" | "again"> {
  /** Folder of all agents of this user; default `AIMESSAGE_HOME` or `~/.aimessage`. */
  home?: string | undefined;
  /** Seals what the store holds; default `AIMESSAGE_PASSPHRASE`, or the file that `AIMESSAGE_PASSPHRASE_FILE` names. */
  passphrase?: string | undefined;
  /** Give the passphrase to a store that has none yet. */
  seal?: boolean | undefined;
  /** Variables, which tell whether it runs for a message (`listen --exec`): what it sends is counted in that one's exchange. Default: the process's. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The files of a store, and what lies beside them. */
const OURS = new RegExp(`^(agent\\.db|link\\.db|link\\.json|doorbell|${ANNOUNCED}|${PROCESSES}|${COMMANDS})(-\\w+)?$`);

/** Read once, and then gone from the environment: children do not inherit it. */
let fromEnvironment: string | undefined;

function passphraseOf({ passphrase }: OpenOptions): string | undefined {
  if (passphrase !== undefined) return passphrase;
  const { AIMESSAGE_PASSPHRASE: text = "", AIMESSAGE_PASSPHRASE_FILE: file = "" } = process.env;
  delete process.env["AIMESSAGE_PASSPHRASE"];
  if (text !== "") fromEnvironment = text;
  else if (file !== "") fromEnvironment ??= readPassphrase(file);
  return fromEnvironment;
}

function readPassphrase(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new AgentError("wrong_passphrase", `the passphrase file ${file} cannot be read`, {
      hint: "check AIMESSAGE_PASSPHRASE_FILE",
      cause,
    });
  }
}

/** @throws AgentError usage */
export function defaultHome(): string {
  const home = homeFolder();
  if (home !== undefined) return home;
  throw new AgentError("usage", "this user has no home folder", { hint: "name a folder by --home or AIMESSAGE_HOME" });
}

/** Names of the agents in a home, sorted. */
export async function listAgents(home: string = defaultHome()): Promise<string[]> {
  if (!existsSync(home)) return [];
  try {
    return readdirSync(home)
      .filter((name) => SqliteStore.exists(join(home, name)))
      .sort();
  } catch (cause) {
    throw new AgentError("home_unwritable", `cannot read ${home}`, {
      hint: "check its permissions, or name another folder by --home or AIMESSAGE_HOME",
      cause,
    });
  }
}

/** An agent in a folder of its own, `<home>/<username>`. */
export class Agent extends CoreAgent {
  #folder = "";
  #files!: SqliteStore;
  #again: Again | undefined;

  get folder(): string {
    return this.#folder;
  }

  /** Whether `register` has found it registered, and has remembered another address of its relay. */
  get moved(): boolean {
    return this.#again === "moved";
  }

  /** Whether `register` has found it registered, and its relay had lost its account. */
  get anew(): boolean {
    return this.#again === "anew";
  }

  /** Registers once, then loads. */
  static open(options: OpenOptions = {}): Promise<Agent> {
    return Agent.#open(options);
  }

  /**
   * Registers. For an agent that is registered, remembers another `server` if that is its relay, too, and has its relay know
   * it again if that has lost its account; else refuses.
   * @throws AgentError already_registered, and what {@link open} throws
   */
  static async register(options: OpenOptions & { username: string; server: string }): Promise<Agent> {
    const home = options.home ?? defaultHome();
    const folder = join(home, usernameKey(options.username));
    const server = serverUrl(options.server, options.insecure ?? true);
    const registeredAt = SqliteStore.exists(folder) ? await serverOf(folder, passphraseOf(options)) : undefined;
    if (registeredAt === undefined) return Agent.#open(options);
    const stays = registeredAt === server.href;
    const already = (cause?: unknown) =>
      new AgentError("already_registered", `${options.username} is registered in ${home} already`, {
        hint: "use it as it is, or choose another username or home",
        cause,
      });
    let how: Again | undefined;
    const agent = await Agent.#open({ ...options, again: (found) => (how = found) }).catch((error: unknown) => {
      // Whether its relay knows it cannot be told now.
      const unknown = error instanceof AgentError && (error.shouldRetry() || error.code === "home_unwritable");
      throw stays && unknown ? already(error) : error;
    });
    agent.#again = how;
    if (how !== "already") return agent;
    await agent.close();
    throw already();
  }

  /**
   * Makes the agent of a backup (see {@link backup}) this folder's, as a new device of the same identity: it takes the place
   * of the one before, which stops.
   * @throws AgentError bad_backup, wrong_passphrase, already_registered, and what {@link open} throws
   */
  static async restore(sealed: string, passphrase: string, options: OpenOptions = {}): Promise<Agent> {
    const backup = readBackup(await openBackup(nodeSealer, sealed, passphrase));
    const { username } = backup;
    const folder = join(options.home ?? defaultHome(), usernameKey(username));
    const existed = SqliteStore.exists(folder);
    {
      await using store = await SqliteStore.open(folder, passphraseOf(options));
      await restoreBackup(store, backup, nodeCryptoProvider);
    }
    try {
      return await Agent.#open({ ...options, username, create: true });
    } catch (error) {
      // The relay does not take it, and the backup has all that was in it.
      if (!existed && error instanceof AgentError && error.code === "refused") removeFolder(folder);
      throw error;
    }
  }

  /** Identity and contacts in one encrypted file: no device's keys, no messages. The passphrase is all that protects it. @throws AgentError weak_passphrase */
  async backup(passphrase: string): Promise<string> {
    return sealBackup(nodeSealer, JSON.stringify(await makeBackup(this.#files)), passphrase);
  }

  static async #open(options: OpenOptions & Pick<OpenAgentOptions, "again">): Promise<Agent> {
    const home = options.home ?? defaultHome();
    const username = options.username ?? (await onlyAgent(home, options));
    checkUsername(username);
    const folder = join(home, usernameKey(username));
    const existed = SqliteStore.exists(folder);
    if (!existed && options.create === false) throw notRegistered(username, home, options.server);
    const store = await SqliteStore.open(folder, passphraseOf(options), { seal: options.seal === true });
    try {
      const files = nodeFileHost({ agent: folder, home });
      const node = { username, store, provider: nodeCryptoProvider, transport: nodeTransport, files };
      const agent = (await openAgent({ ...options, ...node }, Agent)) as Agent;
      agent.#folder = folder;
      agent.#files = store;
      agent.because = becauseOf(options.env ?? process.env);
      return agent;
    } catch (error) {
      if (!existed) await removeIfEmpty(store).catch(() => undefined);
      await store.close();
      throw error;
    }
  }

  /** @throws AgentError home_unwritable at once: what is shown could never be called handled */
  override async *messages(options: ListenOptions = {}): AsyncGenerator<IncomingMessage, void, undefined> {
    if (this.#files.readOnly) throw readOnly(this.#folder);
    yield* super.messages(options);
  }

  /** Removes the agent at its relay, and its folder. @returns whether it was there */
  override async unregister(options: LeaveOptions = {}): Promise<boolean> {
    const wasThere = await super.unregister(options);
    await this.close();
    removeFolder(this.#folder);
    return wasThere;
  }
}

/** With its keys, also where a link leads to it: what else is in there stays then. */
function removeFolder(folder: string): void {
  asOwnerOf(folder, () => {
    if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true)
      for (const name of readdirSync(folder)) if (OURS.test(name)) rmSync(join(folder, name), { recursive: true });
    rmSync(folder, { recursive: true, force: true });
  });
}

/** Removes a store that holds no agent. Under the link: another process may be registering in it just now. */
async function removeIfEmpty(store: SqliteStore): Promise<void> {
  const lock = await store.takeLink("register");
  if (lock === undefined) return;
  try {
    const empty = await store.read(async (tx) => (await tx.get("meta/identity")) === undefined);
    if (empty) removeFolder(store.folder);
  } finally {
    await lock.release();
  }
}

/** The relay at which the agent in a folder is registered; undefined if it is not. */
async function serverOf(folder: string, passphrase: string | undefined): Promise<string | undefined> {
  await using store = await SqliteStore.open(folder, passphrase);
  const account = await store.read((tx) => readAccount(tx));
  return account?.relay.registered === true ? account.relay.server : undefined;
}

function notRegistered(username: string, home: string, server = "URL"): AgentError {
  return new AgentError("not_registered", `${username} is not registered in ${home}`, {
    hint: `aimessage register -u ${username} -s ${server}`,
  });
}

/** The agent of a home that is named, or the only one, without opening it. @throws AgentError bad_username, not_registered, several_agents */
export async function findAgent(username: string | undefined, home: string = defaultHome()): Promise<string> {
  if (username === undefined) return onlyAgent(home, { create: false });
  checkUsername(username);
  if (!SqliteStore.exists(join(home, usernameKey(username)))) throw notRegistered(username, home);
  return usernameKey(username);
}

async function onlyAgent(home: string, { create, server }: OpenOptions): Promise<string> {
  const names = await listAgents(home);
  if (names.length === 1 && names[0] !== undefined) return names[0];
  if (names.length > 1)
    throw new AgentError("several_agents", `there are several agents in ${home}: ${names.join(", ")}`, {
      hint: "name one by -u or AIMESSAGE_USERNAME",
    });
  if (create !== false && server !== undefined)
    throw new AgentError("usage", "a username is needed to register", { hint: "name one by -u" });
  throw new AgentError("not_registered", `no agent is registered in ${home}`, {
    hint: `aimessage register -u NAME -s ${server ?? "URL"}`,
  });
}
