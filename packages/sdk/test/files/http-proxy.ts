import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

const WINDOW = 4096;

/** What a request for a file is answered without the relay. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  /** It is no answer of a relay's. */
  isForeign?: boolean;
}

/** A request for a file on its way. */
export interface Passing {
  method: string;
  blob: string;
  headers: IncomingMessage["headers"];
}

/** Stands between agents and a relay, for HTTP and WebSockets, and does to files what networks, proxies and liars do. Records what is uploaded. */
export class HttpProxy implements AsyncDisposable {
  /** Port of the relay. */
  target = 0;
  /** Bytes of bodies that have passed. */
  up = 0;
  down = 0;
  /** So many more bytes pass, in one direction, and then the connection is cut. Once. */
  cutUpIn = Infinity;
  cutDownIn = Infinity;
  /** Bodies pass no faster. */
  bytesPerMs = Infinity;
  /** Answers in the relay's place. `early`: before the body was read. */
  answer: ((passing: Passing) => Answer | undefined) | undefined;
  /** Changes what is fetched. `at`: where it stands in the whole file. */
  edit: ((passing: Passing, chunk: Buffer, at: number) => Buffer) | undefined;
  /** Of each blob what has left for it, by the windows of so many bytes in which that stood. */
  readonly sent = new Map<string, Map<number, { values: Buffer; known: Uint8Array }>>();
  /** One window of so many is looked at: of large files not all fits memory. */
  recordEvery = 1;
  readonly requests: Passing[] = [];
  /** Offsets at which another value left than before: a nonce was used for two texts. */
  readonly conflicts: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #gate: { open: () => void; opened: Promise<void> } | undefined;
  /** Bodies that wait at the gate. */
  held = 0;

  private constructor() {
    this.#server = createServer({ requestTimeout: 0 }, (asked, response) => void this.#pass(asked, response));
    this.#server.on("connection", (socket) => this.#keep(socket));
    this.#server.on("upgrade", (asked, socket, head) => this.#tunnel(asked, socket as Socket, head));
  }

  static async listen(): Promise<HttpProxy> {
    const proxy = new HttpProxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Lets no bytes of files pass, until it is let go. */
  hold(): void {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    this.#gate ??= { opened, open };
  }

  letGo(): void {
    this.#gate?.open();
    this.#gate = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letGo();
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #tunnel(asked: IncomingMessage, socket: Socket, head: Buffer): void {
    const relay = connect(this.target, "127.0.0.1");
    this.#keep(relay);
    const lines = asked.rawHeaders.flatMap((name, index, all) =>
      index % 2 === 0 ? [`${name}: ${all[index + 1]}`] : [],
    );
    relay.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    relay.write(head);
    relay.pipe(socket).pipe(relay);
    for (const [one, other] of [
      [relay, socket],
      [socket, relay],
    ] as const)
      one.on("close", () => other.destroy());
  }

  async #pass(asked: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = asked;
    const passing = { method, blob: url.slice("/blobs/".length), headers };
    this.requests.push(passing);
    const answer = this.answer?.(passing);
    if (answer !== undefined) {
      const word = answer.isForeign === true ? {} : { "tus-resumable": "1.0.0" };
      response.writeHead(answer.status, { ...word, ...answer.headers });
      response.end();
      return;
    }
    const forwarded = request({ port: this.target, host: "127.0.0.1", method, path: url, headers, agent: false });
    forwarded.on("socket", (socket) => this.#keep(socket));
    const client = asked.socket;
    forwarded.on("error", () => client.destroy());
    response.on("error", () => undefined);
    asked.on("error", () => forwarded.destroy());
    response.on("close", () => response.writableFinished || forwarded.destroy());
    forwarded.on("response", (answered) => void this.#answer(passing, answered, response).catch(() => undefined));
    try {
      let at = Number(headers["upload-offset"] ?? 0);
      for await (const chunk of asked as AsyncIterable<Buffer>)
        for (const piece of this.#pieces(chunk)) {
          if (!(await this.#passage(piece, client))) return;
          this.cutUpIn -= piece.length;
          this.#record(passing.blob, at, piece);
          at += piece.length;
          this.up += piece.length;
          if (forwarded.destroyed) return;
          if (!forwarded.write(piece)) await drained(forwarded);
          if (this.cutUpIn > 0) continue;
          this.cutUpIn = Infinity;
          this.#cutPair(asked, forwarded);
          return;
        }
      forwarded.end();
    } catch {
      forwarded.destroy();
    }
  }

  async #answer(passing: Passing, answered: IncomingMessage, response: ServerResponse): Promise<void> {
    response.writeHead(answered.statusCode ?? 500, answered.headers);
    const [, from = "0"] = /bytes (\d+)-/.exec(answered.headers["content-range"] ?? "") ?? [];
    let at = Number(from);
    try {
      for await (const chunk of answered as AsyncIterable<Buffer>)
        for (const piece of this.#pieces(chunk)) {
          if (!(await this.#passage(piece, response))) return;
          this.down += piece.length;
          this.cutDownIn -= piece.length;
          if (response.destroyed) return;
          if (!response.write(this.edit?.(passing, piece, at) ?? piece)) await drained(response);
          at += piece.length;
          if (this.cutDownIn > 0) continue;
          this.cutDownIn = Infinity;
          return void response.destroy();
        }
      response.end();
    } catch {
      response.destroy();
    }
  }

  /** What has passed before a cut has arrived. */
  #cutPair(asked: IncomingMessage, forwarded: ReturnType<typeof request>): void {
    setTimeout(() => forwarded.destroy(), 20);
    asked.socket?.resetAndDestroy();
  }

  /** Small enough for a cut to be where it is meant, and for a slow line. */
  *#pieces(chunk: Buffer): Generator<Buffer> {
    const size = this.bytesPerMs === Infinity ? 65_536 : Math.max(1, this.bytesPerMs * 5);
    for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size);
  }

  /** @returns whether anybody is there still when it may pass */
  async #passage(piece: Buffer, whose: Socket | ServerResponse): Promise<boolean> {
    if (this.#gate !== undefined) {
      this.held += 1;
      const gone = new AbortController();
      const closed = whose.destroyed ? undefined : once(whose, "close", { signal: gone.signal }).catch(() => undefined);
      await Promise.race([this.#gate.opened, closed]);
      gone.abort();
      this.held -= 1;
    }
    if (this.bytesPerMs !== Infinity) await delay(piece.length / this.bytesPerMs);
    return !whose.destroyed;
  }

  #record(blob: string, at: number, piece: Buffer): void {
    let windows = this.sent.get(blob);
    if (windows === undefined) this.sent.set(blob, (windows = new Map()));
    const end = at + piece.length;
    for (let index = Math.floor(at / WINDOW); index * WINDOW < end; index++) {
      if (index % this.recordEvery !== 0) continue;
      let window = windows.get(index);
      if (window === undefined)
        windows.set(index, (window = { values: Buffer.alloc(WINDOW), known: new Uint8Array(WINDOW) }));
      const from = Math.max(at, index * WINDOW);
      const part = piece.subarray(from - at, (index + 1) * WINDOW - at);
      const place = from - index * WINDOW;
      const values = window.values.subarray(place, place + part.length);
      const known = window.known.subarray(place, place + part.length);
      if (isOther(part, values, known)) this.conflicts.push(`${blob} from ${from}`);
      values.set(part);
      known.fill(1);
    }
  }
}

/** Whether a byte that is known is another one here. Most are all known or all new, and then none is looked at by itself. */
function isOther(part: Buffer, values: Buffer, known: Uint8Array): boolean {
  if (!known.includes(1) || part.equals(values)) return false;
  return !known.includes(0) || part.some((value, at) => known[at] === 1 && values[at] !== value);
}

/** Resolves when a stream takes more, or never will. */
async function drained(stream: Writable): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]).catch(() => undefined);
  waiting.abort();
}
