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
  /** Whether the place of all files is there. Without it nothing is known to be lost, or left. */
  isThere: () => Promise<boolean>;
  /** Whether bytes of a whole file are missing, where the others are. */
  isLost: (blob: { id: string; bytes: number }) => Promise<boolean>;
  /** Removes a file that has no row any more, and ends what comes of it. */
  discard: (id: string) => Promise<void>;
}

/** Removes what has expired or was not finished, and now and then what has no row, or no file. */
export class BlobSweep {
  readonly #parts: Parts;
  #lastRound = -Infinity;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(stop: AbortSignal): Promise<void> {
    const { rows, isThere, discard } = this.#parts;
    for (let removed = BATCH; removed >= BATCH && !stop.aborted;) {
      if (!(await isThere())) return;
      const overdue = await rows.removeOverdue(BATCH);
      // A relay that dies here leaves files without rows, which the next round finds.
      for (const id of overdue) await discard(id);
      removed = overdue.length;
    }
    const now = performance.now();
    if (now - this.#lastRound < ROUND_MS) return;
    this.#lastRound = now;
    await this.#removeUnknown(stop);
    if (this.#parts.store.losesNothing !== true) await this.#removeLost(stop);
  }

  async #removeUnknown(stop: AbortSignal): Promise<void> {
    let old: Kept[] = [];
    for await (const file of this.#parts.store.list()) {
      if (stop.aborted) return;
      // By the system's clock, as the file has it.
      if (Date.now() - file.writtenAt > UNKNOWN_MS) old.push(file);
      if (old.length < BATCH) continue;
      await this.#removeIfUnknown(old);
      old = [];
    }
    await this.#removeIfUnknown(old);
  }

  async #removeIfUnknown(files: Kept[]): Promise<void> {
    const { rows, isThere, discard } = this.#parts;
    const known = await rows.known(files.map(({ id }) => id));
    if (!(await isThere())) return;
    for (const { id } of files) if (!known.has(id)) await discard(id);
  }

  /** What is sealed and not there can be fetched by nobody: its uploader hears so, and sends it again. */
  async #removeLost(stop: AbortSignal): Promise<void> {
    const { rows, isLost } = this.#parts;
    for (let after = "", page; page === undefined || page.length === BATCH;) {
      page = await rows.sealedAfter(after, BATCH);
      after = page.at(-1)?.id ?? "";
      for (const blob of page) {
        if (stop.aborted) return;
        if (await isLost(blob)) await rows.remove(blob.id);
      }
    }
  }
}
