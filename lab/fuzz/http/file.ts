import { randomBytes } from "node:crypto";
import { Agent } from "../../../packages/server/test/agent.ts";
import { RawClient } from "../../../packages/server/test/raw-client.ts";
import { askRoom, type Blob, bring, drop, fetchBlob, head } from "../../../packages/server/test/uploader.ts";
import { Violation } from "../violation.ts";

/** A file at the relay. Whatever is sent for it is what belongs at that place, so that nothing else may ever come back. */
export interface File extends Blob {
  content: Buffer;
  /** Bytes that the relay has said it has: never fewer again. */
  acknowledged: number;
  removed: boolean;
  /** Somebody has asked for that, and heard nothing. */
  mayBeRemoved: boolean;
}

const SIZES = [1, 100, 4096, 65_537, 300_000, 2 ** 20 + 1];
/** Requests for one end each other: then the next one goes on. */
const ATTEMPTS = 50;

/** Somebody who may upload. */
export async function newUploader(url: string, name: string): Promise<RawClient> {
  const agent = new Agent(url, name, { packages: 1 });
  {
    using client = await RawClient.open(url);
    const { type, data } = await client.ask("register", agent.registration());
    if (type !== "registered") throw new Violation(`${name} cannot register: ${JSON.stringify(data)}`);
  }
  return agent.connect();
}

export async function newFile(client: RawClient, bytes: number): Promise<File> {
  const blob = await askRoom(client, bytes, { readers: 1000 });
  return { ...blob, content: randomBytes(bytes), acknowledged: 0, removed: false, mayBeRemoved: false };
}

export function sizeOf(pick: number): number {
  return SIZES[pick % SIZES.length] as number;
}

/** Whether a file is gone, where that may be. */
export async function isGone(url: string, file: File): Promise<boolean> {
  if (file.mayBeRemoved && (await head(url, file)).status === 404) file.removed = true;
  return file.removed;
}

/** Brings what is missing of a file, by somebody who keeps to the rules. @throws Violation if that cannot be done */
export async function complete(url: string, file: File): Promise<void> {
  const size = file.content.length;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { status, headers } = await head(url, file);
    const offset = Number(headers["upload-offset"]);
    if (status !== 200 || !(offset >= file.acknowledged && offset <= size))
      throw new Violation(`HEAD says ${status}, ${offset} of ${size}, and ${file.acknowledged} were acknowledged`);
    if (offset === size) return;
    const part = await bring(url, file, offset, file.content.subarray(offset));
    if (part.status === 204) file.acknowledged = Number(part.headers["upload-offset"]);
    else if (part.status !== 409) throw new Violation(`a part is answered by ${part.status}: ${part.body.toString()}`);
  }
  throw new Violation("a file is not whole after many attempts");
}

/** @throws Violation if a range of a file, or all of it, is not what was brought */
export async function compare(url: string, file: File, range?: [start: number, end: number]): Promise<void> {
  const [start, end] = range ?? [0, file.content.length];
  const { status, body } = await fetchBlob(url, file, range === undefined ? undefined : `bytes=${start}-${end - 1}`);
  if (status !== (range === undefined ? 200 : 206)) throw new Violation(`a fetch is answered by ${status}`);
  const wanted = file.content.subarray(start, end);
  if (body.equals(wanted)) return;
  const at = body.findIndex((byte, place) => byte !== wanted[place]);
  const found = JSON.stringify(body.toString("latin1", at, at + 200));
  throw new Violation(`${body.length} bytes from ${start}, and not what was brought from ${start + at} on: ${found}`);
}

/** @throws Violation if a file cannot be removed, or is there still */
export async function remove(url: string, file: File): Promise<void> {
  const { status } = await drop(url, file);
  if (status !== 204) throw new Violation(`DELETE is answered by ${status}`);
  file.removed = true;
  if ((await fetchBlob(url, file)).status !== 404) throw new Violation("a file that was removed is there");
}
