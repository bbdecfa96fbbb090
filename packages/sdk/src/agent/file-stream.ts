/** Bytes of a file that has come, for whoever needs them once and no file. */
import { AgentError } from "../errors.ts";
import { copyInto } from "../files/copy.ts";
import { fetchInto, type Into, UnfetchedError } from "../files/fetch.ts";
import type { FileHost, FileProgress } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import { fileKey } from "../records/files.ts";
import { fileIsHere } from "../records/here.ts";
import { oweFile } from "../records/owed.ts";
import { find, pad, put } from "../records/records.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import type { StreamOptions } from "./file-info.ts";
import { rowByLocalId } from "./message.ts";
import { fetchable, offered, refuseLarge } from "./offered.ts";

interface Means {
  store: ClientStore;
  host: FileHost;
  server: string;
  track: <T>(work: (stop: AbortSignal) => Promise<T>) => Promise<T>;
}

interface Wanted {
  /** Of the message, as it is known here. */
  id: string;
  index: number;
}

/** Gives a file piece by piece; nothing of it is kept. Reading ahead ends when nobody takes more. */
export async function* streamFile(means: Means, wanted: Wanted, options: StreamOptions): AsyncGenerator<Uint8Array> {
  const left = new AbortController();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const target: Into = {
    bytes: 0,
    read: async () => new Uint8Array(),
    truncate: async () => undefined,
    // Whoever fetches uses its buffers again.
    write: (_at, bytes) => writer.write(bytes.slice()),
  };
  const reader = readable.getReader();
  const work = means.track(async (stop) => {
    const any = AbortSignal.any([stop, left.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    // Whoever writes would wait until somebody reads.
    const giveUp = (): void => void reader.cancel(any.reason);
    any.addEventListener("abort", giveUp);
    try {
      if (any.aborted) throw new AgentError("aborted", "aborted while a file was fetched");
      await bring(means, wanted, target, { ...options, signal: any });
      await writer.close();
    } catch (error) {
      throw any.aborted ? new AgentError("aborted", "aborted while a file was fetched", { cause: error }) : error;
    } finally {
      any.removeEventListener("abort", giveUp);
    }
  });
  work.catch(() => reader.cancel());
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    await work;
    await means.store.write((tx) => wasRead(tx, wanted));
  } finally {
    left.abort();
    await work.catch(() => undefined);
  }
}

async function bring(
  { store, host, server }: Means,
  { id, index }: Wanted,
  target: Into,
  { maxBytes, onProgress, signal }: StreamOptions,
): Promise<void> {
  const { offer, known } = await store.read(async (tx) => {
    const row = await rowByLocalId(tx, id);
    return { offer: offered(row, index), known: await find(tx, "in-file/", fileKey({ seq: row.seq, index })) };
  });
  const name = safeName(offer.name);
  const { bytes } = offer;
  const progress: Omit<FileProgress, "done"> = { message: id, file: index, name, direction: "down", bytes };
  const means = { host, signal, onProgress: (done: number) => onProgress?.({ ...progress, done }) };
  if (known?.path !== undefined && (await host.isThere(known.path, bytes)))
    return copyInto(means, { ...offer, path: known.path }, target);
  const file = fetchable(offer, known);
  refuseLarge(offer, maxBytes);
  try {
    await fetchInto({ ...means, server }, file, target);
  } catch (error) {
    if (error instanceof UnfetchedError)
      await store.write((tx) => wasNotHad(tx, { id, index, blob: file.blob, reason: error.reason }));
    throw error;
  }
}

/** All of it was taken. It can be read again until its message is handled: then its sender may let go of it. */
async function wasRead(tx: WriteTransaction, { id, index }: Wanted): Promise<void> {
  const row = await rowByLocalId(tx, id);
  if (row.files?.[index]?.key === undefined) return;
  const files = row.files.map((file, place) => (place === index ? { ...file, streamed: true as const } : file));
  await put(tx, "in/", pad(row.seq), row.state === "handled" ? await fileIsHere(tx, row, index) : { ...row, files });
}

/** It can never be had: its sender hears so, unless it has said meanwhile that it lies elsewhere. */
async function wasNotHad(
  tx: WriteTransaction,
  { id, index, blob, reason }: Wanted & { blob: string; reason: "file_expired" | "file_damaged" },
): Promise<void> {
  const row = await rowByLocalId(tx, id);
  if (row.files?.[index]?.blob !== blob) return;
  const key = fileKey({ seq: row.seq, index });
  const known = (await find(tx, "in-file/", key)) ?? { seq: row.seq, index, folder: "", at: Date.now() };
  await put(tx, "in-file/", key, { ...known, blob, unfetched: reason });
  await oweFile(tx, row, { index, reason });
}
