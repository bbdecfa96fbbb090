import { once } from "node:events";
import { WebSocket } from "ws";

/** How long a client waits for an answer before it goes to another relay: milliseconds. */
const PATIENCE_MS = 15_000;
const OPEN_MS = 3_000;

/** There is no answer, and nobody knows whether there was anything to be answered. */
export class LostError extends Error {
  override readonly name = "LostError";
  /** It was waited for in vain, with all patience. */
  readonly isUnanswered: boolean;

  constructor(message: string, isUnanswered = false) {
    super(message);
    this.isUnanswered = isUnanswered;
  }
}

export interface Frame {
  type: string;
  reply_to?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a client in test reads whatever the relay wrote
  data: any;
}

/** A connection to a relay, of a client that knows JSON and nothing of our SDK. */
export class Wire {
  /** Gets what answers nothing. */
  onPush: (frame: Frame) => void = () => {};
  /** Highest `seq` that was pushed here. */
  newest = 0;
  readonly port: number;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, { resolve: (frame: Frame) => void; reject: (error: LostError) => void }>();
  #asked = 0;

  private constructor(port: number, socket: WebSocket) {
    this.port = port;
    this.#socket = socket;
    socket.on("message", (data: Buffer) => this.#take(JSON.parse(data.toString()) as Frame));
    socket.on("close", () => this.#lose("the connection has ended"));
    socket.on("error", () => {});
  }

  /** @throws LostError */
  static async open(port: number): Promise<Wire> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { handshakeTimeout: OPEN_MS });
    const wire = new Wire(port, socket);
    await once(socket, "open").catch((error: Error) => {
      throw new LostError(`port ${port}: ${error.message}`);
    });
    return wire;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Asks for something, without waiting for what was asked before. @throws LostError */
  ask(type: string, data: unknown): Promise<Frame> {
    const id = `q${++this.#asked}`;
    return new Promise<Frame>((resolve, reject) => {
      if (!this.isOpen) return reject(new LostError("the connection has ended"));
      const timer = setTimeout(() => {
        reject(new LostError(`${type} was not answered at port ${this.port}`, true));
        this.end();
      }, PATIENCE_MS);
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer);
          settle(value);
        };
      };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#write({ type, id, timestamp: 0, data });
    });
  }

  /** Says something that is not answered. */
  tell(type: string, data: unknown): void {
    if (this.isOpen) this.#write({ type, timestamp: 0, data });
  }

  #write(frame: object): void {
    this.#socket.send(JSON.stringify(frame), () => undefined);
  }

  /** Leaves the connection as it is, for so many milliseconds: nobody reads it, and nobody closes it. */
  abandon(ms: number): void {
    this.onPush = () => {};
    this.#lose("the connection was left");
    this.#socket.pause();
    setTimeout(() => this.end(), ms).unref();
  }

  end(): void {
    this.#socket.terminate();
  }

  #take(frame: Frame): void {
    const { reply_to: id } = frame;
    if (id === undefined) return this.onPush(frame);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve(frame);
  }

  #lose(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(new LostError(why));
    this.#waiting.clear();
  }
}
