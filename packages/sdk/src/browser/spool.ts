/** What pages give to be sent, kept encrypted in the browser's file system until it was sent: also when its tab is closed. */
import { isFull } from "../agent/file-errors.ts";
import { webCipher } from "../crypto/streaming.ts";
import type { FileSource } from "../files/host.ts";
import { newSpool, pathOf, placeOf, sealed, spoolFull, SpoolSource, UNKNOWN_MS, unnamed } from "../files/spool.ts";
import { foldersIn, Pieces, type Place, removeFolder, wholeAt, writtenAt } from "./pieces.ts";

/** Keeps a stream. `onBytes` hears how many there are so far, and may throw. @returns its path, and how many bytes it has @throws AgentError disk_full; what the stream throws */
export async function keepStream(
  spools: Place,
  stream: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): Promise<{ path: string; bytes: number }> {
  const place = newSpool();
  const folder = [...spools, place.name];
  let bytes = 0;
  try {
    const pieces = await Pieces.open(folder);
    // What is there has a time, by which it is known to be new.
    await pieces.truncate(0);
    const tell = (total: number): void => onBytes((bytes = total));
    for await (const piece of sealed(stream, { key: place.key, cipherOf: webCipher, onBytes: tell }))
      await pieces.append(piece);
    await pieces.flush();
  } catch (error) {
    await removeFolder(folder).catch(() => undefined);
    throw isFull(error) ? spoolFull(error) : error;
  }
  return { path: pathOf(place), bytes };
}

/** Opens what was kept; undefined if it is not there any more. @throws DamagedError */
export async function openSpool(spools: Place, path: string): Promise<FileSource | undefined> {
  const { name, key } = placeOf(path);
  const file = await wholeAt([...spools, name], name);
  if (file === undefined) return undefined;
  const read = async (from: number, to: number): Promise<Uint8Array> =>
    new Uint8Array(await file.slice(from, to).arrayBuffer());
  return new SpoolSource({ bytes: file.size, read, close: async () => undefined }, key, webCipher);
}

export async function dropSpool(spools: Place, path: string): Promise<void> {
  await removeFolder([...spools, placeOf(path).name]);
}

/** Removes what no path names, and nobody has just written. */
export async function tidySpools(spools: Place, kept: readonly string[]): Promise<void> {
  for (const name of unnamed(await foldersIn(spools), kept)) {
    const folder = [...spools, name];
    if (Date.now() - ((await writtenAt(folder)) ?? 0) > UNKNOWN_MS) await removeFolder(folder);
  }
}
