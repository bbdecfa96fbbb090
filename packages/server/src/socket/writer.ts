import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { SharedFrame } from "../delivery/delivery-frame.ts";

/** The writing side of one socket: what is written in one turn of the event loop leaves together, and one ping behind it. */
export class Writer {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  #corked = false;
  #pingSeq = 0;
  #pings: number[] = [];
  #pong: Buffer | undefined;

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  /** Bytes that the system has not taken yet. */
  get buffered(): number {
    return this.#webSocket.bufferedAmount;
  }

  write(text: string): void {
    this.#cork();
    this.#webSocket.send(text);
  }

  /** The same as one message, of bytes that many connections hold: `ws` would make each of them its own. (RFC 6455, section 5.2) */
  writeShared({ own, shared }: SharedFrame): void {
    // Bun's own WebSockets show no socket beneath.
    if (process.versions["bun"] !== undefined) return this.write(own + shared.toString());
    const begin = Buffer.from(own);
    const length = begin.length + shared.length;
    const header = Buffer.alloc(length < 2 ** 16 ? 4 : 10);
    header[0] = 0x81;
    if (length < 2 ** 16) {
      header[1] = 126;
      header.writeUInt16BE(length, 2);
    } else {
      header[1] = 127;
      header.writeBigUInt64BE(BigInt(length), 2);
    }
    this.#cork();
    this.#socket.write(Buffer.concat([header, begin]));
    this.#socket.write(shared);
  }

  /** Pings with a place in the mailbox at the end of this turn. [P-5.4] */
  pingUpTo(seq: number): void {
    this.#pingSeq = seq;
    this.#cork();
  }

  /** Answers a ping at the end of this turn. Of several only the newest is answered (RFC 6455, section 5.5.3). */
  pong(payload: Buffer): void {
    this.#pong = payload;
    this.#cork();
  }

  /** The place that a pong acknowledges; undefined if it only shows life. */
  acknowledgedBy(payload: string): number | undefined {
    if (!payload.startsWith("seq:")) return undefined;
    const seq = Number(payload.slice(4));
    const index = this.#pings.indexOf(seq);
    if (index < 0) return undefined;
    this.#pings.splice(0, index + 1);
    return seq;
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(() => this.#uncork());
  }

  #uncork(): void {
    this.#corked = false;
    if (this.#pong !== undefined && this.#webSocket.readyState === this.#webSocket.OPEN)
      this.#webSocket.pong(this.#pong);
    this.#pong = undefined;
    const last = this.#pings.at(-1) ?? 0;
    if (this.#pingSeq > last && this.#webSocket.readyState === this.#webSocket.OPEN) {
      this.#pings.push(this.#pingSeq);
      this.#webSocket.ping(`seq:${this.#pingSeq}`);
      this.#pingSeq = 0;
    }
    this.#socket.uncork();
  }
}
