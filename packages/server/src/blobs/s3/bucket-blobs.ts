import type { BlobStore, Kept } from "../../store/blob-store.ts";
import { MARK } from "../../store/blob-layout.ts";
import { Lane } from "../lane.ts";
import type { Bucket } from "../../config/bucket.ts";
import {
  digestOf,
  endOf,
  parsePart,
  type PartName,
  partName,
  readWholeOf,
  type Run,
  runsOf,
  WHOLE,
  writeWholeOf,
} from "./layout.ts";
import { objectsOf } from "./list.ts";
import { BucketClient } from "./request.ts";

/** The most that one object has. Bytes. */
const MOST_PART = 2 ** 22;
/** Of one file: whoever brings it byte by byte must not make an object of each. */
const MOST_PARTS = 20_000;
/** Files of which it is remembered what is there, so that each part costs one request. */
const REMEMBERED = 1000;
/** A bucket is not unmounted: its mark is not asked for with each request. Milliseconds. */
const MARK_MS = 30_000;
/** Objects of a file that are removed at a time. */
const REMOVED_AT_A_TIME = 8;

interface Found {
  parts: PartName[];
  runs: Run[];
  /** Its parts are given for good. */
  isWhole: boolean;
}

/**
 * Files in a bucket of an S3. Objects cannot be added to, so each part is one, that is never changed; a file is sealed by one more, which names
 * its parts: what a relay writes late that was thought to be gone changes nothing of it. Any relay finds all of that by a list.
 */
export class BucketBlobs implements BlobStore {
  readonly losesNothing = true;
  readonly markedBy: string;
  readonly #client: BucketClient;
  readonly #prefix: string;
  /** The end of what is there of files that come, and the turn of the next part. */
  readonly #known = new Map<string, { end: number; turn: number }>();
  readonly #removing = new Lane(REMOVED_AT_A_TIME);
  #mark: { owner: string; readAt: number } | undefined;

  /** @param silent Milliseconds after which a request of which nothing is heard is made again. */
  constructor(bucket: Bucket, silent?: number) {
    this.#client = new BucketClient(bucket, silent);
    this.#prefix = bucket.prefix;
    this.markedBy = `the object ${bucket.prefix}${MARK} of the bucket`;
  }

  async putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void> {
    const whole = bytes.length === 1 && bytes[0] !== undefined ? bytes[0] : Buffer.concat(bytes);
    let known = this.#known.get(id);
    // Another relay may have written more, or removed it.
    if (known?.end !== offset) known = this.#remember(id, await this.#look(id));
    if (offset > known.end) throw new RangeError(`a file has ${known.end} bytes, none can be put at ${offset}`);
    for (let at = 0; at < whole.length; at += MOST_PART) {
      const body = [whole.subarray(at, at + MOST_PART)];
      const length = Math.min(MOST_PART, whole.length - at);
      if (known.turn >= MOST_PARTS) throw new RangeError(`a file has ${MOST_PARTS} parts, and cannot have more`);
      const name = partName({ turn: known.turn, offset: offset + at, length, digest: digestOf(body) });
      await this.#client.ask({ method: "PUT", name: `${id}/${name}`, body });
      known.turn += 1;
      known.end = Math.max(known.end, offset + at + length);
    }
  }

  async size(id: string): Promise<number> {
    const found = await this.#look(id);
    this.#remember(id, found);
    return endOf(found.runs);
  }

  async seal(id: string, bytes: number): Promise<boolean> {
    const { runs, isWhole } = await this.#look(id);
    this.#known.delete(id);
    if (endOf(runs) !== bytes) return false;
    if (isWhole) return true;
    await this.#client.ask({ method: "PUT", name: `${id}/${WHOLE}`, body: [Buffer.from(writeWholeOf(runs))] });
    return true;
  }

  async *read(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    const { runs } = await this.#look(id);
    if (end > endOf(runs)) throw new RangeError(`a file has ${endOf(runs)} bytes, not ${end}`);
    for (const { part, ...run } of runs) {
      const [from, to] = [Math.max(run.start, start), Math.min(run.end, end)];
      if (from >= to) continue;
      const bytes = await this.#client.ask({ method: "GET", name: `${id}/${part.name}`, check: isOf(part) });
      if (bytes === undefined) throw new RangeError("a part of a file is gone");
      yield bytes.subarray(from - part.offset, to - part.offset);
    }
  }

  async remove(id: string): Promise<void> {
    this.#known.delete(id);
    const names: string[] = [];
    for await (const { name } of objectsOf(this.#client, this.#prefix, `${id}/`)) names.push(name);
    // What says that it is whole goes first: nobody begins to read what is half gone.
    names.sort((one, other) => Number(other.endsWith(WHOLE)) - Number(one.endsWith(WHOLE)));
    const [first, ...rest] = names;
    if (first !== undefined) await this.#delete(first);
    await Promise.all(rest.map((name) => this.#removing.run(() => this.#delete(name))));
  }

  async *list(): AsyncIterable<Kept> {
    let one: Kept & { parts: PartName[] } = { id: "", bytes: 0, writtenAt: 0, parts: [] };
    const kept = ({ parts, ...file }: typeof one): Kept => ({ ...file, bytes: endOf(runsOf(parts)) });
    // Names come in their order: those of a file stand together.
    for await (const { name, writtenAt } of objectsOf(this.#client, this.#prefix, "")) {
      const [, id, object = ""] = /^([0-9a-f]{32})\/([^/]+)$/.exec(name) ?? [];
      if (id === undefined) continue;
      if (id !== one.id) {
        if (one.id !== "") yield kept(one);
        one = { id, bytes: 0, writtenAt: 0, parts: [] };
      }
      one.writtenAt = Math.max(one.writtenAt, writtenAt);
      const part = parsePart(object);
      if (part !== undefined) one.parts.push(part);
    }
    if (one.id !== "") yield kept(one);
  }

  async owner(): Promise<string | undefined> {
    const now = performance.now();
    if (this.#mark !== undefined && now - this.#mark.readAt < MARK_MS) return this.#mark.owner;
    const owner = (await this.#client.ask({ method: "GET", name: MARK }))?.toString().trim();
    this.#mark = owner === undefined ? undefined : { owner, readAt: now };
    return owner;
  }

  async claim(owner: string): Promise<void> {
    this.#mark = undefined;
    await this.#client.ask({ method: "PUT", name: MARK, body: [Buffer.from(`${owner}\n`)] });
  }

  async free(): Promise<number> {
    return Infinity;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
  }

  /** What is there of a file. */
  async #look(id: string): Promise<Found> {
    const [names, parts]: [Set<string>, PartName[]] = [new Set(), []];
    for await (const { name: path } of objectsOf(this.#client, this.#prefix, `${id}/`)) {
      const name = path.slice(id.length + 1);
      names.add(name);
      const part = parsePart(name);
      if (part !== undefined) parts.push(part);
    }
    const said = names.has(WHOLE) ? await this.#client.ask({ method: "GET", name: `${id}/${WHOLE}` }) : undefined;
    if (said === undefined) return { parts, runs: runsOf(parts), isWhole: false };
    const runs = readWholeOf(said.toString());
    return { parts, runs: runs.every(({ part }) => names.has(part.name)) ? runs : [], isWhole: true };
  }

  #remember(id: string, { parts, runs }: Found): { end: number; turn: number } {
    const known = { end: endOf(runs), turn: parts.reduce((most, { turn }) => Math.max(most, turn + 1), 0) };
    this.#known.delete(id);
    this.#known.set(id, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return known;
  }

  async #delete(name: string): Promise<void> {
    await this.#client.ask({ method: "DELETE", name });
  }
}

/** What is not what was put there was changed on its way: it is asked for again. */
function isOf({ length, digest }: PartName): (bytes: Buffer) => string | undefined {
  return (bytes) =>
    bytes.length === length && digestOf([bytes]) === digest ? undefined : "a part is not as it was put";
}
