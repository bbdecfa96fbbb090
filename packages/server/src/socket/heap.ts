import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** So many bytes of large messages leave two or three times as much garbage: half of what a small relay takes. */
const COLLECTED = 16 * 2 ** 20;
/** While large messages come the young generation grows up to this: collecting a smaller one takes a fifth of a busy relay's time. Bytes. */
const YOUNG = 16 * 2 ** 20;
/** Of files that pass through, nothing is kept: what so many bytes of them leave is still young, and collected in a millisecond. */
const CARRIED = 2 ** 23;
/** How often it is looked at. Bytes of large messages. */
const LOOKED_AT = 2 ** 18;
/** Collecting a heap of this size takes some 15 ms; of a larger one what messages leave is a small part. Bytes. */
const SMALL = 64 * 2 ** 20;

/**
 * Has the garbage of large messages collected. V8 looks at the heap, which it has next to no part in, and lets 64 MB of buffers
 * pile up beside it, and what young objects leave in a young generation that grows without need: whoever sends much would have a small relay
 * take more than twice its memory (`npm run bench -- --only hostile`). A relay with a large heap, or without large messages, is left to V8.
 *
 * Files leave buffers alone, next to no young objects. V8 would let them get old, and collect everything for them, five
 * times as often as it is worth: half of what a relay does while it takes a file.
 */
export class Heap {
  readonly #collect: ((options: { type: "major" | "minor"; execution: "sync" }) => void) | undefined;
  /** Since the last collection, and since the last look at the young generation. */
  #bytes = 0;
  #unseen = 0;
  #carried = 0;
  #growth = 2;

  constructor() {
    if (process.versions.bun !== undefined) return;
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc");
  }

  /** So many bytes of large messages have come. */
  read(bytes: number): void {
    if (this.#collect === undefined) return;
    this.#bytes += bytes;
    this.#unseen += bytes;
    if (this.#unseen >= LOOKED_AT) this.#bound();
    if (this.#bytes < COLLECTED) return;
    this.#bytes = 0;
    if (getHeapStatistics().used_heap_size < SMALL) this.#collect({ type: "major", execution: "sync" });
  }

  /** So many bytes of files have come, or left. */
  carry(bytes: number): void {
    this.#carried += bytes;
    if (this.#carried < CARRIED) return;
    this.#carried = 0;
    this.#collect?.({ type: "minor", execution: "sync" });
  }

  /** V8 makes it small again while the relay is idle: then it may grow once more. */
  #bound(): void {
    this.#unseen = 0;
    const growth = youngSpace() < YOUNG ? 2 : 1;
    if (growth === this.#growth) return;
    this.#growth = growth;
    setFlagsFromString(`--semi-space-growth-factor=${growth}`);
  }
}

function youngSpace(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
