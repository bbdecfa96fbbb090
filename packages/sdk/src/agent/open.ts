import type { CryptoProvider } from "../crypto/primitives.ts";
import { GroupCrypto } from "../crypto/mls/group.ts";
import { AgentError } from "../errors.ts";
import { Username, usernameObjection } from "../protocol/index.ts";
import type { ClientStore, LinkLock } from "../store/store.ts";
import { createAccount, isForgotten, limitsOf, login, readInfo, registerDevice } from "../account/account.ts";
import { Agent } from "./agent.ts";
import { check } from "./arguments.ts";
import type { FileHost } from "../files/host.ts";
import { connect, type Transport, webTransport } from "../wire/connect.ts";
import { type Connection, type Refusal, refused } from "../wire/connection.ts";
import { erase } from "./message.ts";
import { type Account, readAccount, updateRelay } from "../records/own-account.ts";
import { registerReplacement } from "../account/replace-device.ts";
import { serverUrl } from "./server-url.ts";

/** How long another process may register or use the agent while we want to, and how often we look. Milliseconds. */
const LINK_MS = 5_000;
const LINK_LOOK_MS = 50;

/** Where an agent is registered that was to be: there already, at another address of its relay, or anew. */
export type Again = "already" | "moved" | "anew";

export interface OpenAgentOptions {
  store: ClientStore;
  /** Needed to register. */
  username?: string | undefined;
  /** Needed to register, and remembered; afterwards another address of the same relay, for this process. */
  server?: string | undefined;
  /**
   * Register an agent that is registered: remembers `server` once the relay has let it in there, and has a relay that does
   * not know it any more know it again, with the same identity. Told which of them it was.
   */
  again?: ((how: Again) => void) | undefined;
  /** Register if the store is new (default), or only load. */
  create?: boolean | undefined;
  /** Shown to a relay that registers new names by invite. */
  invite?: string | undefined;
  /** Allow `ws://` beyond this machine. */
  insecure?: boolean | undefined;
  /** A word that names this process to others which wait for the link. */
  role?: string | undefined;
  /** Faster cryptography where the runtime has it. */
  provider?: CryptoProvider | undefined;
  /** Another way to the relay than the runtime's own WebSocket. */
  transport?: Transport | undefined;
  /** What the runtime has for files; without it none are sent, nor saved. */
  files?: FileHost | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Opens the agent of a store. Registers it first if the store is new.
 * @throws AgentError not_registered, store_newer, bad_username, bad_server, insecure_server, refused (username_taken, rate_limited ...),
 * relay_unreachable, relay_protocol
 */
export async function openAgent(options: OpenAgentOptions, kind: typeof Agent = Agent): Promise<Agent> {
  const crypto = await GroupCrypto.load(options.provider);
  check("invite", { invite: options.invite });
  let account = await options.store.read((tx) => readAccount(tx));
  if (account?.relay.registered !== true) {
    if (options.create === false) throw notRegistered(options.server);
    account = await register(crypto, account, options);
  } else if (options.server !== undefined) {
    const insecure = options.insecure ?? account.relay.insecure;
    const { invite } = options;
    account = {
      ...account,
      invite,
      server: serverUrl(options.server, insecure).href,
      relay: { ...account.relay, insecure },
    };
    options.again?.(await registerAgain(crypto, account, options));
  }
  return kind.over(options.store, crypto, account, options.role ?? "agent", options);
}

async function register(crypto: GroupCrypto, begun: Account | undefined, options: OpenAgentOptions): Promise<Account> {
  const { store } = options;
  const username = begun?.identity.username ?? options.username;
  if (username === undefined)
    throw new AgentError("usage", "a username is needed to register", { hint: "aimessage register -u NAME" });
  checkUsername(username);
  const typed = options.server ?? begun?.relay.server;
  if (typed === undefined)
    throw new AgentError("usage", "a server is needed to register", {
      hint: `aimessage register -u ${username} -s URL`,
    });
  const insecure = options.insecure ?? begun?.relay.insecure ?? false;
  const server = serverUrl(typed, insecure);
  return connected(server, options, async (connection) => {
    // Another process may have registered the agent while this one waited for the link.
    const known = await store.read((tx) => readAccount(tx));
    if (known?.relay.registered === true) return known;
    const info = await readInfo(connection);
    const account = known ?? (await createAccount(store, crypto, { username, server, insecure }));
    account.server = server.href;
    account.invite = options.invite;
    account.relay = { ...account.relay, clock_offset: info.time - Date.now() };
    // Of a backup: the relay may know an earlier device.
    const refusal =
      account.relay.new_device === true
        ? await registerReplacement(store, crypto, account, connection).then(() => undefined)
        : await registerDevice(store, crypto, account, connection);
    if (refusal === undefined) {
      const here = { server: server.href, insecure, ...limitsOf(info), registered: true };
      account.relay = await updateRelay(store, (relay) => ({ ...relay, ...here }));
      return account;
    }
    const error = refused(withWayOut(refusal, account));
    // Keys that were made just now are known to nobody. Those of an attempt before may be known to a relay.
    if (known === undefined && !error.shouldRetry()) await erase(store);
    throw error;
  });
}

/** The relay of a registered agent knows its device, or has lost its account. */
function registerAgain(crypto: GroupCrypto, account: Account, options: OpenAgentOptions): Promise<Again> {
  const { store } = options;
  const { server, relay } = account;
  const moves = server !== relay.server;
  const work = async (connection: Connection): Promise<Again> => {
    try {
      await login(store, crypto, account, connection);
    } catch (error) {
      if (moves || !isForgotten(error)) throw error;
      const refusal = await registerDevice(store, crypto, account, connection);
      if (refusal !== undefined) throw notTakenBack(refusal, account);
      return "anew";
    }
    if (!moves) return "already";
    account.relay = await updateRelay(store, (before) => ({ ...before, server, insecure: relay.insecure }));
    return "moved";
  };
  // The process that holds the link of an agent that stays where it is has been let in there.
  return connected(new URL(server), options, work, moves ? LINK_MS : 0);
}

/** At a relay that registers by invite, how one is shown. */
function withWayOut(refusal: Refusal, { identity, server }: Account): Refusal {
  if (refusal.reason !== "invite_required") return refusal;
  const hint = `ask the relay's operator for an invite, then: aimessage register -u ${identity.username} -s ${server} --invite`;
  return { ...refusal, hint };
}

function notTakenBack(refusal: Refusal, account: Account): AgentError {
  if (refusal.reason !== "username_taken") return refused(withWayOut(refusal, account));
  const hint = `its name is reserved or another one's: ask the relay's operator to release it (aimessage-server user remove NAME --release), or remove this agent here (aimessage unregister) and register under another name`;
  return refused({ ...refusal, hint });
}

/** Holds the link and a connection for as long as `work` takes. */
async function connected<T>(
  server: URL,
  { store, signal, transport = webTransport }: OpenAgentOptions,
  work: (connection: Connection) => Promise<T>,
  patience = LINK_MS,
): Promise<T> {
  const lock = await patientlyTakeLink(store, patience, signal);
  let connection: Connection | undefined;
  try {
    connection = await connect(transport, server, () => undefined, signal);
    return await work(connection);
  } finally {
    connection?.close();
    await lock.release();
  }
}

async function patientlyTakeLink(
  store: ClientStore,
  patience: number,
  signal: AbortSignal | undefined,
): Promise<LinkLock> {
  for (const deadline = performance.now() + patience; ;) {
    const lock = await store.takeLink("register");
    if (lock !== undefined) return lock;
    if (signal?.aborted === true) throw new AgentError("aborted", "aborted while waiting for another process");
    if (performance.now() >= deadline)
      throw new AgentError("store_busy", "another process uses this agent just now", {
        hint: "wait for it, or end it",
      });
    await new Promise((resolve) => setTimeout(resolve, LINK_LOOK_MS));
  }
}

/** @throws AgentError bad_username */
export function checkUsername(username: string): void {
  const hint = "3 to 32 of A-Z, a-z, 0-9, dash and underscore, not beginning with a dash";
  if (!Username.safeParse(username).success)
    throw new AgentError("bad_username", `"${username}" is no username`, { hint });
  const objection = usernameObjection(username);
  if (objection !== undefined) throw new AgentError("bad_username", objection, { hint });
}

function notRegistered(server = "URL"): AgentError {
  return new AgentError("not_registered", "no agent is registered here", {
    hint: `aimessage register -u NAME -s ${server}`,
  });
}
