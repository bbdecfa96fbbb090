import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

/** What a network does to whoever uses it. Stalls and half-open connections neither carry nor close. */
export type Weather =
  | { kind: "fair" }
  | { kind: "stall" }
  | { kind: "half-open"; dead: Direction }
  | { kind: "throttle"; bytesPerMs: number }
  | { kind: "pieces"; size: number }
  | { kind: "delay"; ms: number };
type Direction = "up" | "down";

const LOOK_MS = 5;

/** A TCP proxy before the relay, whose network can be bad. */
export class Proxy implements AsyncDisposable {
  weather: Weather = { kind: "fair" };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number, relayPort: number): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: false, noDelay: true });
    const proxy = new Proxy(server);
    server.on("connection", (client) => {
      const pair = new Pair(
        client,
        connect({ port: relayPort, host: "127.0.0.1", noDelay: true }),
        () => proxy.weather,
      );
      proxy.#pairs.add(pair);
      pair.closed.then(
        () => proxy.#pairs.delete(pair),
        () => undefined,
      );
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection at once. */
  cut(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /** The connections of this moment never carry anything again, and are not closed either. */
  forsake(): void {
    for (const pair of this.#pairs) pair.forsaken = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const pair of this.#pairs) pair.reset();
  }
}

class Pair {
  forsaken = false;
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #relay: Socket;
  readonly #weather: () => Weather;
  #over = false;

  constructor(client: Socket, relay: Socket, weather: () => Weather) {
    this.#client = client;
    this.#relay = relay;
    this.#weather = weather;
    this.closed = Promise.all([this.#carry(client, relay, "up"), this.#carry(relay, client, "down")]).then(() => {});
  }

  reset(): void {
    this.#over = true;
    this.#client.resetAndDestroy();
    this.#relay.resetAndDestroy();
  }

  async #carry(from: Socket, to: Socket, direction: Direction): Promise<void> {
    to.on("error", () => undefined);
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) await this.#send(chunk, to, direction);
    } catch {
      // Reset by either side: so is the other one.
    }
    await this.#passage(direction);
    to.destroy();
  }

  /** Resolves when this direction carries again. */
  async #passage(direction: Direction): Promise<void> {
    while (!this.#over) {
      const weather = this.#weather();
      const dead = weather.kind === "stall" || (weather.kind === "half-open" && weather.dead === direction);
      if (!dead && !this.forsaken) return;
      await setTimeout(LOOK_MS);
    }
  }

  async #send(chunk: Buffer, to: Socket, direction: Direction): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      await this.#passage(direction);
      const weather = this.#weather();
      if (weather.kind === "delay") await setTimeout(weather.ms);
      const size =
        weather.kind === "pieces"
          ? weather.size
          : weather.kind === "throttle"
            ? weather.bytesPerMs * LOOK_MS
            : Infinity;
      const piece = chunk.subarray(at, at + size);
      at += piece.length;
      if (to.destroyed) return;
      if (!to.write(piece)) await drained(to);
      if (weather.kind === "throttle") await setTimeout(LOOK_MS);
      else if (weather.kind === "pieces") await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Resolves when a socket takes more, or never will. */
async function drained(socket: Socket): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  await Promise.race([once(socket, "drain", { signal }), once(socket, "close", { signal })]).catch(() => undefined);
  waiting.abort();
}
