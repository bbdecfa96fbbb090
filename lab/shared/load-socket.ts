import { once } from "node:events";
import { connect, type Socket } from "node:net";

const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/**
 * A WebSocket client (RFC 6455) that costs as little as possible, so that the server is what is measured: text frames
 * and pings, no checks. Its masking key is 0, which leaves the payload as it is; a server does the same work for any key.
 */
export class LoadSocket {
  /** Called with each text frame: where it lies in a buffer that is reused. */
  onText: (buffer: Buffer, start: number, end: number) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * @param from the loopback address that the server sees, 127.0.0.1 by default. Where it is given the system looks for a port
   * that nobody has used of late, of which there are not so many.
   */
  static async open(port: number, from?: string): Promise<LoadSocket> {
    const local = from === undefined ? {} : { localAddress: from };
    const socket = connect({ port, host: "127.0.0.1", ...local, noDelay: true });
    const load = new LoadSocket(socket);
    let failure = "refused";
    socket.on("error", (error) => (failure = error.message));
    socket.on("close", () => load.onClose());
    await new Promise<void>((resolve, reject) => {
      load.onClose = () => reject(new Error(`no connection to port ${port}: ${failure}`));
      socket.once("data", (head: Buffer) => {
        const end = head.indexOf("\r\n\r\n") + 4;
        if (!head.toString("latin1", 0, 12).endsWith(" 101") || end < 4) {
          failure = head.toString("latin1", 0, end);
          return socket.destroy();
        }
        load.onClose = () => {};
        load.#rest = head.subarray(end);
        socket.on("data", (chunk: Buffer) => load.#receive(chunk));
        return resolve();
      });
      socket.write(
        `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YmVuY2htYXJrYmVuY2htYQ==\r\n\r\n",
      );
    });
    return load;
  }

  /** Writes frames made by {@link textFrame}. */
  write(frame: Buffer): void {
    this.#socket.write(frame);
  }

  /** Sends one JSON value and returns the next text frame. */
  async ask(value: unknown): Promise<Frame> {
    const answer = this.next();
    this.write(textFrame(JSON.stringify(value)));
    return answer;
  }

  /** Whether the server, or we, have closed it. */
  get closed(): boolean {
    return this.#socket.destroyed;
  }

  next(): Promise<Frame> {
    return new Promise((resolve, reject) => {
      // It is not closed once more.
      if (this.closed) return reject(new Error("the server has closed the connection before"));
      this.onText = (buffer, start, end) => resolve(JSON.parse(buffer.toString("utf8", start, end)) as Frame);
      this.onClose = () => reject(new Error("the server has closed a connection"));
    });
  }

  /** Closes it as if the server had: whoever waits for an answer is told. */
  drop(): void {
    this.#socket.destroy();
  }

  /** Closes without waiting for the server. */
  async close(): Promise<void> {
    this.onClose = () => {};
    if (this.#socket.closed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    // What is written while a chunk is read leaves together.
    this.#socket.cork();
    while (at + 2 <= bytes.length) {
      const short = (bytes[at + 1] as number) & 0x7f;
      const head = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (at + head > bytes.length) break;
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6);
      const end = at + head + length;
      if (end > bytes.length) break;
      this.#frame((bytes[at] as number) & 0xf, bytes, at + head, end);
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#socket.uncork();
  }

  #frame(opcode: number, bytes: Buffer, start: number, end: number): void {
    if (opcode === TEXT) this.onText(bytes, start, end);
    else if (opcode === PING) this.write(frameOf(PONG, bytes.subarray(start, end)));
    else if (opcode === CLOSE) this.#socket.destroy();
  }
}

/** A frame as the generators read it. */
export interface Frame {
  type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the generator trusts what it measures
  data: any;
}

/** A text frame, ready to be written any number of times. */
export function textFrame(text: string): Buffer {
  return frameOf(TEXT, Buffer.from(text));
}

/** A frame of RFC 6455, section 5.2, whose masking key is 0. `final` is false for one that others are to follow. */
export function frameOf(opcode: number, payload: Buffer, final = true): Buffer {
  const wide = payload.length > 125 ? (payload.length > 65_535 ? 8 : 2) : 0;
  const frame = Buffer.alloc(6 + wide + payload.length);
  frame[0] = (final ? 0x80 : 0) | opcode;
  frame[1] = 0x80 | (wide === 0 ? payload.length : wide === 2 ? 126 : 127);
  if (wide === 2) frame.writeUInt16BE(payload.length, 2);
  if (wide === 8) frame.writeUInt32BE(payload.length, 6);
  payload.copy(frame, frame.length - payload.length);
  return frame;
}
