import { join } from "node:path";
import { startFloor } from "../bench/floors/start.ts";
import { startWorker, type Worker } from "../shared/worker.ts";
import { fileDatabase, readAgent } from "./files.ts";
import { AWAKE, SLEEPY } from "./load.ts";
import { type Relays, startRelays } from "./relays.ts";
import type { Report } from "./samples.ts";
import { Visits } from "./visits.ts";
import type { Watched } from "./watch.ts";

/** Everything that takes part in a soak. Its processes end with it. */
export class World implements AsyncDisposable {
  readonly visits: Visits;
  /** By username. */
  readonly agents = new Map<string, Worker>();
  readonly tokens: Worker;
  readonly #floor: Worker;
  readonly #relays: Relays;
  readonly #folder: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, relays: Relays, tokens: Worker, floor: Worker, stack: AsyncDisposableStack) {
    this.#folder = folder;
    this.#relays = relays;
    this.tokens = tokens;
    this.#floor = floor;
    this.#stack = stack;
    this.visits = new Visits(join(folder, "home"));
  }

  /** @param folder an empty folder on disk */
  static async start(folder: string, count: number): Promise<World> {
    const stack = new AsyncDisposableStack();
    try {
      const relays = stack.use(await startRelays(folder, count));
      const echo = stack.use(await startFloor("echo"));
      const tokens = stack.use(await startWorker(new URL("./tokens.ts", import.meta.url)));
      await tokens.ask("open", { port: relays.port });
      const floor = stack.use(await startWorker(new URL("./floor.ts", import.meta.url)));
      await floor.ask("open", { echo: echo.port, file: join(folder, "floor") });
      const world = new World(folder, relays, tokens, floor, stack);
      for (const name of [...AWAKE, ...SLEEPY]) await world.startAgent(name);
      await world.visits.register(world.#server);
      return world;
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }

  async startAgent(username: string): Promise<void> {
    const worker = this.#stack.use(await startWorker(new URL("./agent.ts", import.meta.url)));
    await worker.ask("open", { server: this.#server, home: join(this.#folder, "home"), username });
    this.agents.set(username, worker);
  }

  /** Agents that are closed half of the time. */
  get sleepers(): Worker[] {
    return SLEEPY.map((name) => this.agents.get(name) as Worker);
  }

  get senders(): Worker[] {
    return [this.#floor, this.tokens, ...this.agents.values()];
  }

  /** The relays and the agents. */
  get watched(): Watched[] {
    const agents = [...this.agents].map(([name, worker]): Watched => {
      const database = fileDatabase(join(this.folderOf(name), "agent.db"), readAgent);
      return { group: AWAKE.includes(name) ? "awake" : "sleepy", worker, database };
    });
    return [...this.#relays.watched, ...agents];
  }

  /** What has happened since this was asked last. */
  async reports(): Promise<Report[]> {
    const reports = [this.visits.reporter.take()];
    for (const worker of this.senders) reports.push(await worker.ask<Report>("report"));
    return reports;
  }

  folderOf(username: string): string {
    return join(this.#folder, "home", username);
  }

  get #server(): string {
    return `ws://localhost:${this.#relays.port}/ws`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
