import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type FrameListener, maskedFrame, opcodes, textFrame, upgrade } from "./websocket.ts";

/**
 * A WebSocket client that costs as little as possible, so that the server is what is measured: text frames and pings, no
 * checks. Its masking key is 0, which leaves the payload as it is; a server does the same work for any key.
 */
export class LoadSocket {
  /** Called with each text frame: where it lies in a buffer that is reused. */
  onText: (buffer: Buffer, start: number, end: number) => void = () => {};
  onClose: () => void = () => {};
  readonly #socket: Socket;

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
    socket.on("close", () => load.onClose());
    await upgrade(socket, port, load.#frame);
    return load;
  }

  /** Writes frames made by `textFrame`. */
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

  readonly #frame: FrameListener = (opcode, buffer, start, end) => {
    if (opcode === opcodes.text) this.onText(buffer, start, end);
    else if (opcode === opcodes.ping) this.write(maskedFrame(opcodes.pong, buffer.subarray(start, end)));
    else if (opcode === opcodes.close) this.#socket.destroy();
  };
}

/** A frame as the generators read it. */
export interface Frame {
  type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- the generator trusts what it measures
  data: any;
}

/** Uses a connection of its own, which is closed then. */
export async function onSocket<T>(port: number, use: (socket: LoadSocket) => Promise<T>): Promise<T> {
  const socket = await LoadSocket.open(port);
  try {
    return await use(socket);
  } finally {
    await socket.close();
  }
}
