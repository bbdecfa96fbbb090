import { createCipheriv, pbkdf2, randomBytes } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";
import { type ClientOptions, WebSocket } from "ws";
import { within } from "../../../test/waiting.ts";

const derive = promisify(pbkdf2);

/** Bun puts its own WebSockets in the place of ws: they show no sockets beneath, and answer pings in their own time. */
export const onBun = process.versions["bun"] !== undefined;

export interface Frame {
  type: string;
  id?: string;
  reply_to?: string;
  timestamp: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read whatever the relay wrote
  data: any;
}

interface Reader {
  wants: (frame: Frame) => boolean;
  resolve: (frame: Frame) => void;
  reject: (error: Error) => void;
}

/** A WebSocket client that knows JSON and nothing of our SDK. */
export class RawClient implements Disposable {
  readonly socket: WebSocket;
  readonly #closed: Promise<{ code: number; reason: string }>;
  /** Frames that have arrived and were not read. */
  readonly unread: Frame[] = [];
  #readers: Reader[] = [];
  #end: Error | undefined;
  #ids = 0;

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, options);
    this.socket.on("message", (data: Buffer) => this.#arrived(JSON.parse(data.toString()) as Frame));
    this.socket.on("error", () => {});
    this.#closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        this.#end = new Error(`closed ${code} ${reason.toString()}`);
        for (const reader of this.#readers) reader.reject(this.#end);
        resolve({ code, reason: reason.toString() });
      });
    });
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

  get closed(): Promise<{ code: number; reason: string }> {
    return within("the relay closes the connection", this.#closed);
  }

  /** The first frame that is wanted; others stay to be read. */
  async read(wants: (frame: Frame) => boolean = () => true, what = "a frame comes"): Promise<Frame> {
    const index = this.unread.findIndex(wants);
    if (index >= 0) return this.unread.splice(index, 1)[0] as Frame;
    if (this.#end !== undefined) throw this.#end;
    return within(what, new Promise((resolve, reject) => this.#readers.push({ wants, resolve, reject })));
  }

  /** Writes a frame and reads its answer. */
  async ask(type: string, data?: unknown): Promise<Frame> {
    const id = this.write(type, data);
    return this.read((frame) => frame.reply_to === id, `${type} is answered`);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }

  #arrived(frame: Frame): void {
    const reader = this.#readers.find(({ wants }) => wants(frame));
    if (reader === undefined) this.unread.push(frame);
    else {
      this.#readers = this.#readers.filter((other) => other !== reader);
      reader.resolve(frame);
    }
  }
}

export interface TokenUser {
  username: string;
  key: Buffer;
}

export async function registerToken(client: RawClient, username: string): Promise<TokenUser> {
  const { type, data } = await client.ask("register", { username });
  if (type !== "registered") throw new Error(JSON.stringify(data));
  return { username, key: await keyOf(data) };
}

/** The key of a token account, from what it was registered with. */
export function keyOf({ token, salt }: { token: string; salt: string }): Promise<Buffer> {
  return derive(token, Buffer.from(salt, "base64"), 100_000, 32, "sha256");
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
export async function tokenClient(
  url: string,
  username: string,
  options?: ClientOptions,
): Promise<RawClient & { user: TokenUser }> {
  const client = await RawClient.open(url, options);
  const user = await registerToken(client, username);
  await loginToken(client, user);
  return Object.assign(client, { user });
}
