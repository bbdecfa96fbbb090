/** What a stream gives, encrypted until it was sent, wherever a runtime keeps it: it can be read but once. */
import {
  DamagedError,
  type CipherOf,
  HEADER_BYTES,
  newStart,
  openedLength,
  opening,
  sealing,
  segmentOf,
} from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import { fromBase64, randomId, toBase64, utf8 } from "../protocol/index.ts";
import type { FileSource } from "./host.ts";

const SCHEME = "spool:";
const NAME = /^[0-9a-f]{32}$/;
const AAD = utf8("aimessage spool 1");
const KEY_BYTES = 32;
/** A segment's plaintext: the first is shorter by the header. */
const FIRST = segmentOf(2 ** 22, 0).plain.to;
const OTHERS = segmentOf(2 ** 22, 1).plain.to - segmentOf(2 ** 22, 1).plain.from;

/** One of which no record tells for so long was kept by a process that has died. Milliseconds. */
export const UNKNOWN_MS = 86_400_000;

/** A spool's path, as a record has it: what it is called where it is kept, and the key that opens it. */
export interface SpoolPlace {
  name: string;
  key: Uint8Array;
}

/** What was kept, encrypted. */
export interface SealedBytes {
  readonly bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export function isSpool(path: string): boolean {
  return path.startsWith(SCHEME);
}

/** A place that nothing has yet. */
export function newSpool(): SpoolPlace {
  return { name: randomId(), key: globalThis.crypto.getRandomValues(new Uint8Array(KEY_BYTES)) };
}

export function pathOf({ name, key }: SpoolPlace): string {
  return `${SCHEME}${name}:${toBase64(key).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/** @throws Error if it is no path of a spool */
export function placeOf(path: string): SpoolPlace {
  const [name = "", key = ""] = path.slice(SCHEME.length).split(":");
  if (!NAME.test(name)) throw new Error("the path of a spool is not one");
  const standard = key.replaceAll("-", "+").replaceAll("_", "/");
  return { name, key: fromBase64(standard.padEnd(4 * Math.ceil(standard.length / 4), "=")) };
}

/** Names in a folder of spools that no path has. */
export function unnamed(names: readonly string[], kept: readonly string[]): string[] {
  const known = new Set(kept.filter(isSpool).map((path) => placeOf(path).name));
  return names.filter((name) => NAME.test(name) && !known.has(name));
}

/** A spool never changes. */
export function stampOf(bytes: number): string {
  return `spool ${bytes}`;
}

/** There was no room for it. */
export function spoolFull(cause: unknown): AgentError {
  return new AgentError("disk_full", "there is no room to keep what a stream gives until it is sent", {
    hint: "free some space, or send it as a file",
    cause,
  });
}

/** What of a stream is to be written, in pieces. `onBytes` hears how many it had so far. @throws what the stream throws */
export async function* sealed(
  stream: AsyncIterable<Uint8Array>,
  { key, cipherOf, onBytes }: { key: Uint8Array; cipherOf: CipherOf; onBytes: (total: number) => void },
): AsyncGenerator<Uint8Array> {
  const sealer = await sealing({ key, start: newStart(), aad: AAD, cipherOf });
  const plain = new Uint8Array(OTHERS);
  let [index, total, filled] = [0, 0, 0];
  yield sealer.header;
  for await (const chunk of stream) {
    onBytes((total += chunk.length));
    for (let rest = chunk; rest.length > 0;) {
      // The last segment is one behind which nothing comes.
      if (filled === (index === 0 ? FIRST : OTHERS)) {
        yield await sealer.seal(index++, plain.subarray(0, filled), false);
        filled = 0;
      }
      const part = rest.subarray(0, (index === 0 ? FIRST : OTHERS) - filled);
      plain.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
    }
  }
  yield await sealer.seal(index, plain.subarray(0, filled), true);
}

/** Reads what was kept, which is closed with this. @throws DamagedError */
export class SpoolSource implements FileSource {
  readonly bytes: number;
  readonly #from: SealedBytes;
  readonly #key: Uint8Array;
  readonly #cipherOf: CipherOf;
  /** The segment that was read last. */
  #segment: { index: number; plain: Uint8Array } | undefined;

  constructor(from: SealedBytes, key: Uint8Array, cipherOf: CipherOf) {
    const bytes = openedLength(from.bytes);
    if (bytes === undefined) throw new DamagedError("it has another length than what was kept");
    this.bytes = bytes;
    this.#from = from;
    this.#key = key;
    this.#cipherOf = cipherOf;
  }

  async stamp(): Promise<string> {
    return stampOf(this.bytes);
  }

  async read(at: number, into: Uint8Array): Promise<number> {
    if (at >= this.bytes) return 0;
    const { plain, from } = await this.#read(at < FIRST ? 0 : 1 + Math.floor((at - FIRST) / OTHERS));
    const part = plain.subarray(at - from).subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  async #read(index: number): Promise<{ plain: Uint8Array; from: number }> {
    const { plain: range, sealed: place, isLast } = segmentOf(this.bytes, index);
    if (this.#segment?.index === index) return { plain: this.#segment.plain, from: range.from };
    const header = await this.#from.read(0, HEADER_BYTES);
    const stream = await opening({ key: this.#key, header, aad: AAD, cipherOf: this.#cipherOf });
    const plain = await stream.open(index, await this.#from.read(place.from, place.to), isLast);
    this.#segment = { index, plain };
    return { plain, from: range.from };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#from.close();
  }
}
