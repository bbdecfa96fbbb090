import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, type Relay, type RelayOptions } from "@aimessage/server";
import type { IncomingMessage } from "../../src/index.ts";
import { openAgent } from "../../src/agent/open.ts";
import { Agent, type OpenOptions } from "../../src/node/index.ts";
import { nodeFileHost } from "../../src/node/file-host.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { nodeTransport } from "../../src/node/transport.ts";
import { fileKey } from "../../src/records/files.ts";
import { pad } from "../../src/records/records.ts";
import { SqliteStore } from "../../src/node/sqlite-store.ts";
import type { MemoryStore } from "../../src/store/memory.ts";
import type { ClientStore } from "../../src/store/store.ts";
import { eventually } from "../../../../test/waiting.ts";
import { HttpProxy } from "./http-proxy.ts";

export { eventually, fileKey, pad };
type AnyAgent = Awaited<ReturnType<typeof openAgent>>;

/** A relay with a folder behind a proxy, agents with folders, and folders with files. */
export class FileWorld implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "aimessage files "));
  readonly proxy: HttpProxy;
  readonly #options: RelayOptions;
  readonly #agents = new Set<AnyAgent>();
  #relay: Relay | undefined;

  private constructor(proxy: HttpProxy, options: RelayOptions) {
    this.proxy = proxy;
    this.#options = options;
  }

  static async create(options: RelayOptions = {}): Promise<FileWorld> {
    const world = new FileWorld(await HttpProxy.listen(), options);
    await world.startRelay();
    return world;
  }

  get relayFolder(): string {
    return this.#options.db ?? join(this.folder, "relay");
  }

  get server(): string {
    return `ws://127.0.0.1:${this.proxy.port}/ws`;
  }

  get home(): string {
    return join(this.folder, "home");
  }

  async startRelay(options: RelayOptions = {}): Promise<void> {
    const common: RelayOptions = { port: 0, db: this.relayFolder, noLimits: true, publicUrls: [this.server] };
    this.#relay = await createRelay({ ...common, ...this.#options, ...options });
    this.proxy.target = this.#relay.port;
  }

  async stopRelay(): Promise<void> {
    await this.#relay?.[Symbol.asyncDispose]();
    this.#relay = undefined;
  }

  /** Opens an agent; a second time is as another process of it. */
  async open(username: string, options: OpenOptions = {}): Promise<Agent> {
    const agent = await Agent.open({ username, server: this.server, home: this.home, ...options });
    this.#agents.add(agent);
    return agent;
  }

  /** Opens an agent over a store of another kind. */
  async openOver(username: string, store: MemoryStore): Promise<AnyAgent> {
    const files = nodeFileHost({ agent: join(this.folder, "memory", username), home: join(this.folder, "memory") });
    const node = { provider: nodeCryptoProvider, transport: nodeTransport, files };
    const agent = await openAgent({ store, username, server: this.server, ...node });
    this.#agents.add(agent);
    return agent;
  }

  /** Looks into the store of an agent, beside its processes. */
  async look<T>(username: string, work: (store: ClientStore) => Promise<T>): Promise<T> {
    await using store = await SqliteStore.open(join(this.home, username));
    return work(store);
  }

  /** Records of an agent under a prefix. */
  records(username: string, prefix: string): Promise<[string, string][]> {
    return this.look(username, (store) =>
      store.read(async (tx) => (await tx.list({ prefix })).map(([key, value]) => [key, value as string])),
    );
  }

  /** A file of random bytes, or of those that are given. */
  file(name: string, content: number | string | Uint8Array): string {
    const folder = join(this.folder, "out");
    mkdirSync(folder, { recursive: true });
    const path = join(folder, name);
    writeFileSync(path, typeof content === "number" ? randomBytes(content) : content);
    return path;
  }

  append(path: string, content: string | Uint8Array): void {
    appendFileSync(path, content);
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Names in a folder of this world. */
  names(...names: string[]): string[] {
    const path = this.path(...names);
    return existsSync(path) ? readdirSync(path).toSorted() : [];
  }

  /** Files that the relay has. */
  get blobs(): string[] {
    try {
      return readdirSync(join(this.relayFolder, "blobs"), { recursive: true, encoding: "utf8" })
        .filter((name) => /[0-9a-f]{32}$/.test(name))
        .map((name) => join(this.relayFolder, "blobs", name));
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Object.assign(this.proxy, { answer: undefined, edit: undefined, bytesPerMs: Infinity });
    this.proxy.letGo();
    await Promise.all([...this.#agents].map((agent) => agent.close()));
    await this.proxy[Symbol.asyncDispose]();
    await this.stopRelay();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const MIB = 2 ** 20;

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function isSame(one: string, other: string): boolean {
  return readFileSync(one).equals(readFileSync(other));
}

/** The next message that comes to an agent. It is not handled. */
export async function next(agent: AnyAgent): Promise<IncomingMessage> {
  for await (const message of agent.messages()) return message;
  throw new Error("no message came");
}

/** Waits until the relay has no file any more, and its owner's account no room taken. */
export function allGone(world: FileWorld): Promise<true> {
  return eventually("the relay keeps no file", () => world.blobs.length === 0);
}

/** Saves a file of a message, again and again, until that succeeds. */
export async function saved(agent: AnyAgent, id: string, folder: string, index = 0): Promise<string> {
  return eventually("the file is saved", async () =>
    (await agent.message(id)).files[index]!.save(folder).catch((error: { code?: string }) => {
      if (["file_failed", "relay_unreachable", "disk_full"].includes(error.code ?? "")) return undefined;
      throw error;
    }),
  );
}
