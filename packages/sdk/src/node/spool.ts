/** What a stream gives, kept encrypted in the agent's folder until it was sent: it can be read but once. */
import { randomBytes } from "node:crypto";
import { createWriteStream, mkdirSync } from "node:fs";
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { once } from "node:events";
import { basename, join } from "node:path";
import { isFull } from "../agent/file-errors.ts";
import {
  DamagedError,
  HEADER_BYTES,
  newStart,
  openedLength,
  opening,
  sealing,
  segmentOf,
} from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import type { FileSource } from "../files/host.ts";
import { utf8 } from "../protocol/index.ts";
import { nodeCipher } from "./segment-cipher.ts";

const SCHEME = "spool:";
const NAME = /^[0-9a-f]{32}$/;
const AAD = utf8("aimessage spool 1");
/** A segment's plaintext: the first is shorter by the header. */
const FIRST = segmentOf(2 ** 22, 0).plain.to;
const OTHERS = segmentOf(2 ** 22, 1).plain.to - segmentOf(2 ** 22, 1).plain.from;

/** One of which no record tells for so long was kept by a process that has died. Milliseconds. */
const UNKNOWN_MS = 86_400_000;

/** A spool's path, as a record has it: its file, and the key that opens it. */
interface Place {
  file: string;
  key: Buffer;
}

export function isSpool(path: string): boolean {
  return path.startsWith(SCHEME);
}

/** Keeps a stream. @returns its path, and how many bytes it has @throws what the system says, and what the stream throws */
export async function keepStream(
  folder: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<{ path: string; bytes: number }> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [name, key] = [randomBytes(16).toString("hex"), randomBytes(32)];
  const file = join(folder, name);
  const sealed = await sealing({ key, start: newStart(), aad: AAD, cipherOf: nodeCipher });
  // On disk before any record tells of it.
  const output = createWriteStream(file, { flags: "wx", mode: 0o600, highWaterMark: 2 ** 21, flush: true });
  const failed = once(output, "error").then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (!output.write(bytes)) await Promise.race([once(output, "drain"), failed]);
  };
  let [index, total] = [0, 0];
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  try {
    await write(sealed.header);
    for await (const chunk of stream) {
      gathered.push(chunk);
      bytes += chunk.length;
      total += chunk.length;
      // The last segment is one behind which nothing comes.
      for (let full = index === 0 ? FIRST : OTHERS; bytes > full; full = OTHERS) {
        const all = Buffer.concat(gathered, bytes);
        await write(await sealed.seal(index++, all.subarray(0, full), false));
        gathered = [all.subarray(full)];
        bytes -= full;
      }
    }
    await write(await sealed.seal(index, Buffer.concat(gathered, bytes), true));
    output.end();
    await Promise.race([once(output, "close"), failed]);
  } catch (error) {
    output.destroy();
    await rm(file, { force: true });
    throw isFull(error) ? full(error) : error;
  }
  return { path: `${SCHEME}${name}:${key.toString("base64url")}`, bytes: total };
}

/** Opens what was kept; undefined if it is not there any more. @throws DamagedError; what the system says: it is the only copy, and may be read another time */
export async function openSpool(folder: string, path: string): Promise<FileSource | undefined> {
  const { file, key } = placeOf(folder, path);
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const bytes = openedLength((await handle.stat()).size);
    if (bytes === undefined) throw new DamagedError("it has another length than what was kept");
    return new SpoolSource(handle, key, bytes);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function dropSpool(folder: string, path: string): Promise<void> {
  await rm(placeOf(folder, path).file, { force: true });
}

/** Removes what no path names, and nobody has just written. */
export async function tidySpools(folder: string, kept: readonly string[]): Promise<void> {
  const names = new Set(kept.filter(isSpool).map((path) => basename(placeOf(folder, path).file)));
  for (const name of await readdir(folder).catch(() => [])) {
    if (names.has(name) || !NAME.test(name)) continue;
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > UNKNOWN_MS) await rm(join(folder, name), { force: true });
  }
}

function full(cause: unknown): AgentError {
  return new AgentError("disk_full", "there is no room to keep what a stream gives until it is sent", {
    hint: "free some space, or send it as a file",
    cause,
  });
}

function placeOf(folder: string, path: string): Place {
  const [name = "", key = ""] = path.slice(SCHEME.length).split(":");
  if (!NAME.test(name)) throw new Error("the path of a spool is not one");
  return { file: join(folder, name), key: Buffer.from(key, "base64url") };
}

class SpoolSource implements FileSource {
  readonly bytes: number;
  readonly #handle: FileHandle;
  readonly #key: Uint8Array;
  /** The segment that was read last. */
  #segment: { index: number; plain: Uint8Array } | undefined;

  constructor(handle: FileHandle, key: Uint8Array, bytes: number) {
    this.#handle = handle;
    this.#key = key;
    this.bytes = bytes;
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
    const { plain: range, sealed, isLast } = segmentOf(this.bytes, index);
    if (this.#segment?.index === index) return { plain: this.#segment.plain, from: range.from };
    const header = Buffer.alloc(HEADER_BYTES);
    await this.#handle.read(header, 0, HEADER_BYTES, 0);
    const stream = await opening({ key: this.#key, header, aad: AAD, cipherOf: nodeCipher });
    const bytes = Buffer.alloc(sealed.to - sealed.from);
    await this.#handle.read(bytes, 0, bytes.length, sealed.from);
    const plain = await stream.open(index, bytes, isLast);
    this.#segment = { index, plain };
    return { plain, from: range.from };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

/** A spool never changes. */
export function stampOf(bytes: number): string {
  return `spool ${bytes}`;
}
