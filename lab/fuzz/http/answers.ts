import { connect, type Socket } from "node:net";
import { Violation } from "../violation.ts";

/** What the relay has said to one request. */
export interface Answer {
  status: number;
  headers: Map<string, string>;
  body: Buffer;
}

/** A TCP connection on which anything may be sent, and what comes back is read as HTTP/1.1 (RFC 9112). */
export class HttpSocket {
  readonly #socket: Socket;
  #data: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data: Buffer) => {
      this.#data = Buffer.concat([this.#data, data]);
      this.#wake();
    });
    socket.on("error", () => {});
    for (const event of ["end", "close"])
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
  }

  static async open(port: number): Promise<HttpSocket> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const opened = new HttpSocket(socket);
    await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
    return opened;
  }

  get isOpen(): boolean {
    return !this.#ended && !this.#socket.destroyed;
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.writableEnded && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  halfClose(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The next answer; undefined if the connection ends before one. @throws "late" after so many milliseconds */
  async next(method: string, patience: number): Promise<Answer | undefined | "late"> {
    for (const until = performance.now() + patience; ;) {
      const answer = this.#take(method);
      if (answer !== undefined) return answer;
      if (!this.isOpen) return undefined;
      const left = until - performance.now();
      if (left <= 0) return "late";
      await this.#more(left);
    }
  }

  #more(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #take(method: string): Answer | undefined {
    const end = this.#data.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const [first = "", ...lines] = this.#data.toString("latin1", 0, end).split("\r\n");
    const [, digits] = /^HTTP\/1\.1 (\d{3}) [ -~]*$/.exec(first) ?? [];
    if (digits === undefined) throw new Violation(`this begins no answer: ${JSON.stringify(first.slice(0, 200))}`);
    const status = Number(digits);
    const headers = new Map(lines.map((line) => readHeader(line)));
    const begin = end + 4;
    // Others follow it.
    if (status === 100) {
      this.#data = this.#data.subarray(begin);
      return this.#take(method);
    }
    const length = method === "HEAD" || status === 204 || status === 304 ? 0 : lengthOf(headers);
    if (length === undefined && this.isOpen) return undefined;
    const until = length === undefined ? this.#data.length : begin + length;
    if (this.#data.length < until) return undefined;
    const body = this.#data.subarray(begin, until);
    this.#data = this.#data.subarray(until);
    return { status, headers, body };
  }
}

function readHeader(line: string): [string, string] {
  const [, name, value] = /^([A-Za-z0-9-]+): ?([ -~]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Violation(`this is no header: ${JSON.stringify(line)}`);
  return [name.toLowerCase(), value];
}

function lengthOf(headers: Map<string, string>): number | undefined {
  const text = headers.get("content-length");
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Violation(`a length of ${text}`);
  return Number(text);
}
