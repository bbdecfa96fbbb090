import { Buffer, isUtf8 } from "node:buffer";
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
    const input = inWholeLines(stdin, (wrong, ends) => {
      const error = { code: -32600, message: `a line ${wrong}: nothing was done` };
      // Where nobody reads any more the next answer ends it.
      void this.send({ jsonrpc: "2.0", id: idIn(ends), error } as JSONRPCMessage).catch(() => undefined);
    });
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
/** The longest line, below what the library takes: beyond that it would end without a word. Bytes. */
const LONGEST = 8 * 2 ** 20;
/** As much of the ends of a line that is too long is kept: in one of them stands its id. Bytes. */
const ENDS = 1_024;

/** A text in whole lines, the last one too, without which the library reads none. What it cannot read is told of, and left out. */
function inWholeLines(stdin: Readable, refuse: (wrong: string, ends: string[]) => void): Readable {
  let line: Buffer[] = [];
  let length = 0;
  const end = (): Buffer | undefined => {
    const whole = Buffer.concat(line);
    const wrong = length > LONGEST ? `has more than ${LONGEST} bytes` : isUtf8(whole) ? undefined : "is no UTF-8 text";
    [line, length] = [[], 0];
    if (wrong === undefined) return whole;
    refuse(wrong, [whole.toString("latin1", whole.length - ENDS), whole.toString("latin1", 0, ENDS)]);
    return undefined;
  };
  const take = (part: Buffer): void => {
    length += part.length;
    line.push(part);
    // Of what is too long its ends are enough.
    if (length > LONGEST) {
      const kept = Buffer.concat(line);
      line = [kept.subarray(0, ENDS), kept.subarray(-ENDS)];
    }
  };
  const whole = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let from = 0;
      for (let at; (at = chunk.indexOf(LINE_BREAK, from)) >= 0; from = at + 1) {
        take(chunk.subarray(from, at + 1));
        const ready = end();
        if (ready !== undefined) this.push(ready);
      }
      if (from < chunk.length) take(chunk.subarray(from));
      done();
    },
    flush(done) {
      if (length === 0) return done();
      take(Buffer.from("\n"));
      done(null, end());
    },
  });
  // An error of the one closes the other, by which it is known.
  return pipeline(stdin, whole, () => undefined);
}

const ID = String.raw`"id"\s*:\s*(\d{1,15}|"[\w-]{1,64}")`;
/** Where clients write the id of a request: last of all, or first behind the version. */
const LAST = new RegExp(String.raw`${ID}\s*\}\s*$`);
const FIRST = new RegExp(String.raw`^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?${ID}\s*,`);

/** The id of a request, by the end and the beginning of its text; null if it is not clear. */
function idIn([end = "", begin = ""]: readonly string[]): string | number | null {
  // The last brace but one closes the arguments, which may have an id of their own.
  const [, id] = FIRST.exec(begin) ?? LAST.exec(end) ?? [];
  return id === undefined ? null : (JSON.parse(id) as string | number);
}
