import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** So many bytes of large messages leave two or three times as much garbage: half of what a small relay takes. */
const COLLECTED = 16 * 2 ** 20;
/** The young generation grows up to this. A fifth of a busy relay's time would go into collecting a smaller one. Bytes. */
const YOUNG = 16 * 2 ** 20;
const LOOK_MS = 100;
/** Collecting a heap of this size takes some 15 ms; of a larger one what messages leave is a small part. Bytes. */
const SMALL = 64 * 2 ** 20;

/**
 * Has the garbage of large messages collected. V8 looks at the heap, which it has next to no part in, and lets 64 MB of buffers
 * pile up beside it, and what young objects leave in a young generation that grows without need: whoever sends much would have a small relay
 * take more than twice its memory (`npm run bench -- --only hostile`). A relay with a large heap is left to V8.
 */
export class Heap {
  readonly #collect: ((options: { type: "major"; execution: "sync" }) => void) | undefined;
  #bytes = 0;

  constructor() {
    if (process.versions.bun !== undefined) return;
    const timer = setInterval(() => {
      if (youngSpace() < YOUNG) return;
      setFlagsFromString("--semi-space-growth-factor=1");
      clearInterval(timer);
    }, LOOK_MS).unref();
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc");
  }

  /** So many bytes of large messages have come. */
  read(bytes: number): void {
    this.#bytes += bytes;
    if (this.#collect === undefined || this.#bytes < COLLECTED) return;
    this.#bytes = 0;
    if (getHeapStatistics().used_heap_size < SMALL) this.#collect({ type: "major", execution: "sync" });
  }
}

function youngSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
