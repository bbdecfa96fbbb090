import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, type Relay, type RelayOptions } from "@aimessage/server";
import { onTestFinished, vi } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { put } from "../../src/records/records.ts";
import { openAgent } from "../../src/agent/open.ts";
import { AgentError } from "../../src/errors.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import type { ClientStore } from "../../src/store/store.ts";
import { eventually, never, within } from "../../../../test/waiting.ts";
import { Proxy } from "./proxy.ts";

/** A relay, a proxy before it, and the agents that talk through it. */
export class World implements AsyncDisposable {
  readonly proxy: Proxy;
  /** What the agents' stores have in common with other processes, by agent. */
  readonly folders = new Map<string, MemoryFolder>();
  readonly #options: RelayOptions;
  readonly #agents = new Set<Agent>();
  readonly #temporary: string[] = [];
  #relay: Relay | undefined;

  private constructor(proxy: Proxy, options: RelayOptions) {
    this.proxy = proxy;
    this.#options = options;
    if (options.db !== undefined) this.#temporary.push(options.db);
  }

  static async create(options: RelayOptions = {}): Promise<World> {
    const world = new World(await Proxy.listen(), options);
    await world.startRelay();
    return world;
  }

  get server(): string {
    return this.proxy.url;
  }

  async startRelay(options: RelayOptions = {}): Promise<void> {
    const common: RelayOptions = { port: 0, store: "memory", publicUrls: [this.server] };
    this.#relay = await createRelay({ ...common, ...this.#options, ...options });
    this.proxy.target = this.#relay.url.replace("localhost", "127.0.0.1");
  }

  async stopRelay(): Promise<void> {
    await this.#relay?.[Symbol.asyncDispose]();
    this.#relay = undefined;
  }

  /** Opens an agent; a second time is another process over the same folder. */
  open(username: string, store?: ClientStore): Promise<Agent> {
    return this.openFrom(username, store ?? this.memory(username));
  }

  async openFrom(username: string, store: ClientStore, provider: CryptoProvider = nodeCryptoProvider): Promise<Agent> {
    const node = { provider, transport: nodeTransport };
    const agent = await openAgent({ store, username, server: this.server, ...node });
    this.#agents.add(agent);
    return agent;
  }

  /** The store of an agent in memory, as another process sees it. */
  memory(username: string): MemoryStore {
    let folder = this.folders.get(username);
    if (folder === undefined) this.folders.set(username, (folder = new MemoryFolder()));
    return new MemoryStore(folder);
  }

  /** A folder that goes with the world. */
  folder(): string {
    const folder = temporaryFolder();
    this.#temporary.push(folder);
    return folder;
  }

  sqlite(folder: string): Promise<SqliteStore> {
    return SqliteStore.open(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.proxy.rule = undefined;
    await Promise.all([...this.#agents].map((agent) => agent.close()));
    await this.proxy[Symbol.asyncDispose]();
    await this.stopRelay();
    for (const folder of this.#temporary) rmSync(folder, { recursive: true, force: true });
  }
}

/** A temporary folder, whose name has a space in it. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "aimessage scenario "));
}

/** Goes online and handles whatever comes. The list grows; it ends with the agent. */
export function follow(
  agent: Agent,
  react: (message: IncomingMessage) => Promise<unknown> = (message) => message.handled(),
  options: { share?: boolean } = {},
): IncomingMessage[] {
  const got: IncomingMessage[] = [];
  const run = async () => {
    for await (const message of agent.messages(options)) {
      got.push(message);
      await react(message);
    }
  };
  void run().catch((error: unknown) => {
    if (!(error instanceof AgentError)) throw error;
  });
  return got;
}

export { eventually, never, within };

/** Alice and Bob with an open conversation, both online, at a relay that can be told to lie. */
export async function talking() {
  const world = await World.create({ noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  follow(alice);
  follow(bob);
  await (await alice.send("bob", "hello")).handled();
  await (await bob.send("alice", "hello yourself")).handled();
  return { world, alice, bob };
}

/** Waits until an agent has processed everything that the relay has pushed to it. */
export async function caughtUp(agent: Agent): Promise<void> {
  // What was pushed before the first answer is processed before the second request is made.
  for (let round = 0; round < 2; round++) await agent.users();
}

/** Waits until nothing passes between agents any more: all is processed, and nothing is left to say. */
export async function atRest({ proxy }: World, ...agents: Agent[]): Promise<void> {
  const passed = () => proxy.recorded.filter(({ frame }) => !["list_users", "user_list"].includes(frame.type)).length;
  let before = -1;
  await eventually("nothing is under way any more", async () => {
    for (const agent of agents) await caughtUp(agent);
    const now = passed();
    const same = now === before;
    before = now;
    return same;
  });
}

/** For a relay that goes by the clock of this process, wherever that is moved to: it is no jump that anybody could notice. */
export const SAME_CLOCK: RelayOptions = { clock: () => Date.now(), uptime: () => Date.now() };

/** Key packages of an agent are not replaced while its test runs, however often it heals. */
export function replaceNoStock(world: World, username: string): Promise<void> {
  return world.memory(username).write((tx) => put(tx, "meta/renewal", "", { done: Array<number>(4).fill(Date.now()) }));
}

const now = Date.now.bind(Date);
let ahead = 0;

/** From now on the clock of this process is ahead, or further ahead. */
export function jump(milliseconds: number): void {
  ahead += milliseconds;
  const spy = vi.spyOn(Date, "now").mockImplementation(() => now() + ahead);
  onTestFinished(() => {
    ahead = 0;
    spy.mockRestore();
  });
}

/** The bodies in an agent's inbox once there are so many, and everything that was pushed beside them is processed. */
export async function bodies(agent: Agent, count: number, ms?: number): Promise<string[]> {
  const read = async () => (await agent.inbox()).map((entry) => entry.body);
  try {
    await eventually(`${agent.username} has ${count} messages`, async () => (await read()).length >= count, ms);
  } catch (error) {
    throw new Error(`it has only ${JSON.stringify((await read()).map((body) => body.slice(0, 20)))}`, { cause: error });
  }
  await caughtUp(agent);
  return read();
}

export function numbered(count: number, prefix = "message"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix} ${index + 1}`);
}

/** The reason of an AgentError that a promise rejects with: its `code`, and `reason` if it has one. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<{ code: string; reason: string | undefined; hint: string | undefined; message: string }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AgentError)
      return { code: error.code, reason: error.reason, hint: error.hint, message: error.message };
    throw error;
  }
  throw new Error("it was not rejected");
}

export async function alertKinds(agent: Agent): Promise<string[]> {
  return (await agent.alerts()).map(({ kind }) => kind);
}

/** Has the relay seem older than the frame by which it hears of peers: what it does for them is not done. */
export function withoutPeers({ proxy }: World): void {
  proxy.rule = ({ toRelay, frame }) =>
    toRelay && frame.type === "peers" ? [{ ...frame, type: "not_yet_known" }] : undefined;
}

/** Waits until the relay has confirmed everything that an agent has said of its peers. */
export function peersAreTold(world: World, agent: string): Promise<true> {
  return eventually(`the relay knows the peers of ${agent}`, () =>
    world.memory(agent).read(async (tx) => (await tx.list({ prefix: "peer-due/", limit: 1 })).length === 0),
  );
}

/** Has the relay seem to refuse the next send of an agent for want of room. @returns whether it has */
export function refuseNext({ proxy }: World, refused: string, retryAfterMs: number): () => boolean {
  let done = false;
  proxy.rule = ({ agent, toRelay, frame }) => {
    if (agent !== refused || toRelay || frame.type !== "ack" || done) return undefined;
    done = true;
    const message_id = frame.data.message_id!;
    const data = { code: 429, reason: "rate_limited", message: "slowly", retry_after_ms: retryAfterMs, message_id };
    return [{ ...frame, type: "error", data }];
  };
  return () => done;
}
