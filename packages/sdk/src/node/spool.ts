/** What streams give, kept encrypted in the agent's folder until it was sent. */
import { createWriteStream, mkdirSync } from "node:fs";
import { type FileHandle, open, readdir, rm, stat } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { isFull } from "../agent/file-errors.ts";
import type { FileSource } from "../files/host.ts";
import { newSpool, pathOf, placeOf, sealed, spoolFull, SpoolSource, UNKNOWN_MS, unnamed } from "../files/spool.ts";
import { nodeCipher } from "./segment-cipher.ts";

/** Keeps a stream. @returns its path, and how many bytes it has @throws what the system says, and what the stream throws */
export async function keepStream(
  folder: string,
  stream: AsyncIterable<Uint8Array>,
): Promise<{ path: string; bytes: number }> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const place = newSpool();
  const file = join(folder, place.name);
  // On disk before any record tells of it.
  const output = createWriteStream(file, { flags: "wx", mode: 0o600, highWaterMark: 2 ** 21, flush: true });
  const failed = once(output, "error").then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  let bytes = 0;
  try {
    const onBytes = (total: number): void => void (bytes = total);
    for await (const piece of sealed(stream, { key: place.key, cipherOf: nodeCipher, onBytes }))
      if (!output.write(piece)) await Promise.race([once(output, "drain"), failed]);
    output.end();
    await Promise.race([once(output, "close"), failed]);
  } catch (error) {
    output.destroy();
    await rm(file, { force: true });
    throw isFull(error) ? spoolFull(error) : error;
  }
  return { path: pathOf(place), bytes };
}

/** Opens what was kept; undefined if it is not there any more. @throws DamagedError; what the system says: it is the only copy, and may be read another time */
export async function openSpool(folder: string, path: string): Promise<FileSource | undefined> {
  const { name, key } = placeOf(path);
  const handle = await open(join(folder, name), "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  if (handle === undefined) return undefined;
  try {
    return new SpoolSource(await bytesOf(handle), key, nodeCipher);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function dropSpool(folder: string, path: string): Promise<void> {
  await rm(join(folder, placeOf(path).name), { force: true });
}

/** Removes what no path names, and nobody has just written. */
export async function tidySpools(folder: string, kept: readonly string[]): Promise<void> {
  for (const name of unnamed(await readdir(folder).catch(() => []), kept)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > UNKNOWN_MS) await rm(join(folder, name), { force: true });
  }
}

async function bytesOf(handle: FileHandle) {
  return {
    bytes: (await handle.stat()).size,
    async read(from: number, to: number): Promise<Uint8Array> {
      const bytes = Buffer.alloc(to - from);
      await handle.read(bytes, 0, bytes.length, from);
      return bytes;
    },
    close: () => handle.close(),
  };
}
