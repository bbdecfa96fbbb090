import { pipeline, type Readable, Transform, type Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";

interface Wire {
  stdin: Readable;
  stdout: Writable;
  /** How long the end of stdin waits for what was asked before. Milliseconds. */
  patience: number;
  /** Aborted when nobody reads any more. */
  signal: AbortSignal;
}

/** stdin and stdout, which the library lets go of when stdin ends: this answers first what was asked by then. */
export class AnsweringTransport extends StdioServerTransport {
  /** What is read, until it ends. */
  readonly input: Readable;
  readonly #asked = new Set<unknown>();
  readonly #patience: number;
  readonly #signal: AbortSignal;
  #answering: Promise<void> | undefined;
  #settled: () => void = () => undefined;

  constructor({ stdin, stdout, patience, signal }: Wire) {
    const input = inWholeLines(stdin);
    super(input, stdout);
    this.input = input;
    this.#patience = patience;
    this.#signal = signal;
  }

  override start(): Promise<void> {
    const deliver = this.onmessage;
    const hear = (message: JSONRPCMessage): void => {
      this.#hear(message);
      deliver?.(message);
    };
    Object.assign(this, { onmessage: hear });
    return super.start();
  }

  override async send(message: JSONRPCMessage): Promise<void> {
    try {
      await super.send(message);
    } finally {
      if (!("method" in message)) this.#settle(message.id);
    }
  }

  override async close(): Promise<void> {
    await this.answered();
    await super.close();
    this.input.destroy();
  }

  /** Resolves when all that was asked until stdin ended is answered, or nobody waits for it any more. */
  async answered(): Promise<void> {
    if (this.#asked.size > 0 && !this.#signal.aborted) await (this.#answering ??= this.#wait());
  }

  async #wait(): Promise<void> {
    const end = new AbortController();
    const signal = AbortSignal.any([this.#signal, end.signal]);
    const all = new Promise<void>((resolve) => (this.#settled = resolve));
    await Promise.race([all, delay(this.#patience, undefined, { signal }).catch(() => undefined)]);
    end.abort();
  }

  #hear(message: JSONRPCMessage): void {
    if (!("method" in message)) return;
    // What is followed is answered by its end.
    if ("id" in message && message.method !== "subscriptions/listen") this.#asked.add(message.id);
    else if (message.method === "notifications/cancelled") this.#settle(message.params?.["requestId"]);
  }

  #settle(id: unknown): void {
    this.#asked.delete(id);
    if (this.#asked.size === 0) this.#settled();
  }
}

const LINE_BREAK = 10;

/** A text with the end of its last line, without which the library reads no line. */
function inWholeLines(stdin: Readable): Readable {
  let last = LINE_BREAK;
  const whole = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      last = chunk.at(-1) ?? last;
      done(null, chunk);
    },
    flush(done) {
      done(null, last === LINE_BREAK ? undefined : "\n");
    },
  });
  // An error of the one closes the other, by which it is known.
  return pipeline(stdin, whole, () => undefined);
}
