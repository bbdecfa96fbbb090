import { createCipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientOptions, WebSocket } from "ws";

export interface Frame {
  type: string;
  id?: string;
  reply_to?: string;
  timestamp: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read whatever the relay wrote
  data: any;
}

/** A WebSocket client that knows JSON and nothing of our SDK. Frames are read one by one, in the order of arrival. */
export class RawClient implements Disposable {
  readonly socket: WebSocket;
  readonly #frames: Frame[] = [];
  #wake: () => void = () => {};
  #closed: { code: number; reason: string } | undefined;
  #ids = 0;

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, options);
    this.socket.on("message", (data: Buffer) => {
      this.#frames.push(JSON.parse(data.toString()) as Frame);
      this.#wake();
    });
    this.socket.on("close", (code, reason) => {
      this.#closed = { code, reason: reason.toString() };
      this.#wake();
    });
    this.socket.on("error", () => {});
  }

  static async open(url: string, options: ClientOptions = {}): Promise<RawClient> {
    const client = new RawClient(url, options);
    await once(client.socket, "open");
    return client;
  }

  write(type: string, data?: unknown, id = `c${++this.#ids}`): string {
    this.socket.send(JSON.stringify({ type, id, timestamp: Math.floor(Date.now() / 1000), data }));
    return id;
  }

  /** The next frame. */
  async read(): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.#closed !== undefined) throw new Error(`closed ${this.#closed.code} ${this.#closed.reason}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The next frame that satisfies a condition; those before it are dropped. */
  async readUntil(condition: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const frame = await this.read();
      if (condition(frame)) return frame;
    }
  }

  /** Writes a frame and reads its answer; frames in between are dropped. */
  async ask(type: string, data?: unknown): Promise<Frame> {
    const id = this.write(type, data);
    return this.readUntil((frame) => frame.reply_to === id);
  }

  /** Frames that have arrived and were not read. */
  get unread(): readonly Frame[] {
    return this.#frames;
  }

  async closed(): Promise<{ code: number; reason: string }> {
    while (this.#closed === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#closed;
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed();
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

export interface TokenUser {
  username: string;
  key: Buffer;
}

export async function registerToken(client: RawClient, username: string): Promise<TokenUser> {
  const { type, data } = await client.ask("register", { username });
  if (type !== "registered") throw new Error(JSON.stringify(data));
  return { username, key: pbkdf2Sync(data.token, Buffer.from(data.salt, "base64"), 100_000, 32, "sha256") };
}

/** base64 of nonce, ciphertext and tag, as the original's clients write it. */
export function seal(key: Buffer, text: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

/** Logs in; returns the frames that came before the answer, and the answer. */
export async function loginToken(client: RawClient, { username, key }: TokenUser): Promise<Frame[]> {
  const { data } = await client.ask("authenticate", { username });
  const id = client.write("authenticate", { username, challenge: seal(key, data.challenge) });
  const frames: Frame[] = [];
  for (;;) {
    const frame = await client.read();
    frames.push(frame);
    if (frame.reply_to === id) return frames;
  }
}

/** A new connection, logged in as a new token account. */
export async function tokenClient(url: string, username: string): Promise<RawClient & { user: TokenUser }> {
  const client = await RawClient.open(url);
  const user = await registerToken(client, username);
  await loginToken(client, user);
  return Object.assign(client, { user });
}
