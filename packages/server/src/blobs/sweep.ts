import type { BlobRows } from "../store/blob-rows.ts";
import type { BlobStore, Kept } from "../store/blob-store.ts";

/** Files in one transaction, or one question. */
const BATCH = 500;
/** A file of which nothing is known was perhaps made before its row is read. Milliseconds. */
const UNKNOWN_MS = 3_600_000;
/** How often all files are looked at. Milliseconds. */
const ROUND_MS = 3_600_000;

interface Parts {
  rows: BlobRows;
  store: BlobStore;
}

const lastRound = new WeakMap<object, number>();

/** Removes what has expired or was not finished, and now and then what has no row, or no file. */
export async function sweepBlobs({ rows, store }: Parts, stop: AbortSignal): Promise<void> {
  // It keeps in mind which place it is, before that is gone.
  await store.isThere();
  for (let removed = BATCH; removed >= BATCH && !stop.aborted;) {
    const overdue = await rows.removeOverdue(BATCH);
    // A relay that dies here leaves files without rows, which the next round finds.
    for (const id of overdue) await store.remove(id);
    removed = overdue.length;
  }
  const now = performance.now();
  if (now - (lastRound.get(store) ?? -Infinity) < ROUND_MS) return;
  lastRound.set(store, now);
  await removeUnknown({ rows, store }, stop);
  await removeLost({ rows, store }, stop);
}

async function removeUnknown({ rows, store }: Parts, stop: AbortSignal): Promise<void> {
  const removeThese = async (files: Kept[]): Promise<void> => {
    const known = await rows.known(files.map(({ id }) => id));
    for (const { id } of files) if (!known.has(id)) await store.remove(id);
  };
  let old: Kept[] = [];
  for await (const file of store.list()) {
    if (stop.aborted) return;
    // By the system's clock, as the file has it.
    if (Date.now() - file.writtenAt > UNKNOWN_MS) old.push(file);
    if (old.length < BATCH) continue;
    await removeThese(old);
    old = [];
  }
  await removeThese(old);
}

/** What is sealed and not there can be fetched by nobody: its uploader hears so, and sends it again. */
async function removeLost({ rows, store }: Parts, stop: AbortSignal): Promise<void> {
  for (let after = "", page; page === undefined || page.length === BATCH;) {
    page = await rows.sealedAfter(after, BATCH);
    after = page.at(-1)?.id ?? "";
    for (const { id, bytes } of page) {
      if (stop.aborted) return;
      if ((await store.size(id)) === bytes) continue;
      if (!(await store.isThere())) return;
      await rows.remove(id);
    }
  }
}
