import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRelay, type Relay, type RelayOptions } from "@aimessage/server";
import type { IncomingMessage } from "../../src/index.ts";
import { Agent } from "../../src/node/index.ts";

/** A relay with a folder, agents with folders, and folders with files. */
export class FileWorld implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "aimessage files "));
  readonly #options: RelayOptions;
  readonly #agents = new Set<Agent>();
  #relay: Relay | undefined;
  #port = 0;

  private constructor(options: RelayOptions) {
    this.#options = options;
  }

  static async create(options: RelayOptions = {}): Promise<FileWorld> {
    const world = new FileWorld(options);
    await world.startRelay();
    return world;
  }

  get relayFolder(): string {
    return join(this.folder, "relay");
  }

  get server(): string {
    return `ws://127.0.0.1:${this.#port}/ws`;
  }

  async startRelay(options: RelayOptions = {}): Promise<void> {
    const common: RelayOptions = { port: this.#port, db: this.relayFolder, noLimits: true };
    this.#relay = await createRelay({ ...common, ...this.#options, ...options });
    this.#port = this.#relay.port;
  }

  async stopRelay(): Promise<void> {
    await this.#relay?.[Symbol.asyncDispose]();
    this.#relay = undefined;
  }

  /** Opens an agent; a second time is as another process of it. */
  async open(username: string): Promise<Agent> {
    const agent = await Agent.open({ username, server: this.server, home: join(this.folder, "home") });
    this.#agents.add(agent);
    return agent;
  }

  /** A file of random bytes, or of those that are given. */
  file(name: string, content: number | string | Uint8Array): string {
    const folder = join(this.folder, "out");
    mkdirSync(folder, { recursive: true });
    const path = join(folder, name);
    writeFileSync(path, typeof content === "number" ? randomBytes(content) : content);
    return path;
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Files that the relay has. */
  get blobs(): string[] {
    try {
      return readdirSync(join(this.relayFolder, "blobs"), { recursive: true, encoding: "utf8" }).filter(
        (name) => name.length > 3,
      );
    } catch {
      return [];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#agents].map((agent) => agent.close()));
    await this.stopRelay();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The next message that comes to an agent. It is not handled. */
export async function next(agent: Agent): Promise<IncomingMessage> {
  for await (const message of agent.messages()) return message;
  throw new Error("no message came");
}
