import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { reset } from "./proxy.ts";

/** How often servers are asked, and how long one may take to answer. Milliseconds. */
const LOOK_MS = 200;
const PATIENCE_MS = 1_000;

interface BalancerOptions {
  /** Its own port, 0 for a free one. */
  port: number;
  /** Ports of the servers behind it. */
  to: readonly number[];
  /** Some connections are cut for no reason, about so often: milliseconds. */
  restless?: { everyMs: number; random: () => number };
}

/** What an answer of `/ready` says of a server: `leaving` one takes nothing new, and ends what it has itself. */
type State = "ready" | "leaving" | "gone";

/** A TCP balancer on 127.0.0.1: connections go to those servers in turn that say at `/ready` that they are. */
export class Balancer implements AsyncDisposable {
  readonly #door: Server;
  readonly #states: Map<number, State>;
  readonly #pairs = new Set<Pair>();
  readonly #end = new AbortController();
  #next = 0;

  private constructor(to: readonly number[]) {
    this.#states = new Map(to.map((port) => [port, "gone"]));
    this.#door = createServer({ noDelay: true }, (client) => this.#take(client));
  }

  static async start({ port, to, restless }: BalancerOptions): Promise<Balancer> {
    const balancer = new Balancer(to);
    balancer.#door.listen(port, "127.0.0.1");
    await once(balancer.#door, "listening");
    for (const server of to) void balancer.#watch(server);
    if (restless !== undefined) void balancer.#disturb(restless);
    return balancer;
  }

  get port(): number {
    return (this.#door.address() as AddressInfo).port;
  }

  /** Ports of the servers that take connections. */
  get ready(): number[] {
    return [...this.#states].flatMap(([port, state]) => (state === "ready" ? [port] : []));
  }

  /** How many connections a server has. */
  connectionsOf(server: number): number {
    return [...this.#pairs].filter(({ to }) => to === server).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.#door.close();
    for (const pair of this.#pairs) pair.cut();
  }

  #take(client: Socket): void {
    const { ready } = this;
    const to = ready[this.#next++ % ready.length];
    if (to === undefined) {
      client.on("error", () => undefined);
      reset(client);
      return;
    }
    const pair = new Pair(client, to);
    this.#pairs.add(pair);
    client.once("close", () => this.#pairs.delete(pair));
  }

  async #watch(server: number): Promise<void> {
    for (; !this.#end.signal.aborted; await this.#pause(LOOK_MS)) {
      const state = await stateOf(server);
      this.#states.set(server, state);
      if (state === "gone") for (const pair of this.#pairs) if (pair.to === server) pair.cut();
    }
  }

  async #disturb({ everyMs, random }: NonNullable<BalancerOptions["restless"]>): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#pause(everyMs * (0.5 + random()));
      const part = random() / 2;
      for (const pair of this.#pairs) if (random() < part) pair.cut();
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
  }
}

async function stateOf(server: number): Promise<State> {
  try {
    const answer = await fetch(`http://127.0.0.1:${server}/ready`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    await answer.body?.cancel();
    return answer.ok ? "ready" : "leaving";
  } catch {
    return "gone";
  }
}

/** A connection on both sides of the balancer. */
class Pair {
  readonly to: number;
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(client: Socket, to: number) {
    this.to = to;
    this.#client = client;
    this.#server = connect({ port: to, host: "127.0.0.1", noDelay: true });
    for (const [from, other] of [
      [client, this.#server],
      [this.#server, client],
    ] as const) {
      from.on("error", () => this.cut());
      from.pipe(other);
      from.once("close", () => other.destroySoon());
    }
  }

  cut(): void {
    reset(this.#client);
    reset(this.#server);
  }
}
