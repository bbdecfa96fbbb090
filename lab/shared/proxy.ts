import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
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

/** A proxy's own port, 0 for a free one, and its server's, 0 as long as there is none. */
interface Ports {
  port: number;
  to: number;
}

const LOOK_MS = 5;
/** For what came late a server finds somebody to answer to for so long. */
const LINGER_MS = 1_000;

/** A TCP proxy on 127.0.0.1 before a server, whose network can be bad. */
export class Proxy implements AsyncDisposable {
  weather: Weather = { kind: "fair" };
  /** The port of its server, for connections to come; 0: they are refused. */
  to: number;
  readonly #door: Server;
  readonly #pairs = new Set<Pair>();
  #port: number;

  private constructor({ port, to }: Ports) {
    this.#port = port;
    this.to = to;
    this.#door = createServer({ allowHalfOpen: false, noDelay: true }, (client) => {
      if (this.to === 0) {
        client.resetAndDestroy();
        return;
      }
      const server = connect({ port: this.to, host: "127.0.0.1", noDelay: true });
      const pair = new Pair(client, server, () => this.weather);
      this.#pairs.add(pair);
      pair.closed.then(
        () => this.#pairs.delete(pair),
        () => undefined,
      );
    });
  }

  static async start(ports: Ports): Promise<Proxy> {
    const proxy = new Proxy(ports);
    await proxy.admit();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Refuses connections from now on, as where nobody listens. Those that there are stay. */
  refuse(): void {
    this.#door.close();
  }

  /** Takes connections again. */
  async admit(): Promise<void> {
    this.#door.listen(this.#port, "127.0.0.1");
    await once(this.#door, "listening");
    this.#port = (this.#door.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection at once. */
  cut(): void {
    for (const pair of this.#pairs) pair.reset();
  }

  /** Ends every connection for clients alone: what they had sent on its way comes to the server after so many milliseconds. */
  deliverLate(ms: number): void {
    for (const pair of this.#pairs) pair.deliverLate(ms);
  }

  /** The connections of this moment never carry anything again, and are not closed either. */
  forsake(): void {
    for (const pair of this.#pairs) pair.forsaken = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    for (const pair of this.#pairs) pair.reset();
  }
}

class Pair {
  forsaken = false;
  readonly closed: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #weather: () => Weather;
  #over = false;
  #heldUntil = 0;
  readonly #late: Buffer[] = [];

  constructor(client: Socket, server: Socket, weather: () => Weather) {
    this.#client = client;
    this.#server = server;
    this.#weather = weather;
    this.closed = Promise.all([this.#carry(client, server, "up"), this.#carry(server, client, "down")]).then(() => {});
  }

  reset(): void {
    this.#over = true;
    reset(this.#client);
    reset(this.#server);
  }

  deliverLate(ms: number): void {
    this.#heldUntil = performance.now() + ms;
    for (let chunk = this.#client.read(); chunk !== null; chunk = this.#client.read()) this.#late.push(chunk as Buffer);
    this.#client.resetAndDestroy();
  }

  async #carry(from: Socket, to: Socket, direction: Direction): Promise<void> {
    to.on("error", () => undefined);
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) await this.#send(chunk, to, direction);
    } catch {
      // Reset by either side: so is the other one.
    }
    if (direction === "up" && this.#heldUntil > 0) {
      for (const chunk of this.#late) await this.#send(chunk, to, direction);
      // A server that cannot answer does not go on.
      await setTimeout(LINGER_MS);
    }
    await this.#passage(direction);
    to.destroy();
  }

  /** Resolves when this direction carries again. */
  async #passage(direction: Direction): Promise<void> {
    while (!this.#over) {
      const weather = this.#weather();
      const dead = weather.kind === "stall" || (weather.kind === "half-open" && weather.dead === direction);
      if (!dead && !this.forsaken && performance.now() >= this.#heldUntil) return;
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

/** Ends a connection at once. What is about to end by itself cannot be reset: Node 24 would neither close it nor exit. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resolves when a socket takes more, or never will. */
async function drained(socket: Socket): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  await Promise.race([once(socket, "drain", { signal }), once(socket, "close", { signal })]).catch(() => undefined);
  waiting.abort();
}
