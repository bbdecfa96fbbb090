import type { DatabaseSync } from "node:sqlite";
import type { Place } from "./place.ts";
import { type Reserve, reusableBytes } from "./reserve.ts";
import type { Hindrance } from "../store.ts";

/** How often the disk is looked at, and at most while much is written. Milliseconds. */
const INTERVAL_MS = 1_000;
const BUSY_MS = 50;

/** The disk below a database: whether its files are where they were opened, and whether there is room for mail. */
export class Disk implements AsyncDisposable {
  readonly #place: Place;
  readonly #reserve: Reserve;
  readonly #reusable: () => number;
  readonly #onChange: (hindrance: Hindrance | undefined) => void;
  readonly #timer: NodeJS.Timeout;
  #lost = false;
  #lookedAt = 0;
  #told: Hindrance | undefined;

  /** @param onChange Told of a hindrance when it is noticed, and when it is over. */
  constructor(
    db: DatabaseSync,
    place: Place,
    reserve: Reserve,
    onChange: (hindrance: Hindrance | undefined) => void = () => {},
  ) {
    this.#place = place;
    this.#reserve = reserve;
    this.#onChange = onChange;
    this.#reusable = reusableBytes(db);
    this.#timer = setInterval(() => this.look(), INTERVAL_MS);
    this.#timer.unref();
    this.look();
  }

  get hindrance(): Hindrance | undefined {
    return this.#lost ? "storage_lost" : this.#reserve.isShort ? "storage_full" : undefined;
  }

  look(): void {
    this.#lookedAt = performance.now();
    this.#lost = !this.#place.isWhole();
    if (!this.#lost) this.#lookForRoom();
    this.#tell();
  }

  /** Before much is written: what grows within the interval must not take the reserve. */
  beforeWrite(): void {
    if (performance.now() - this.#lookedAt > BUSY_MS) this.look();
  }

  /** Whether what is committed now will be found at the next start. */
  holdsMail(): boolean {
    if (!this.#lost && !this.#place.holdsMail()) this.look();
    return !this.#lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#reserve[Symbol.asyncDispose]();
  }

  #lookForRoom(): void {
    try {
      this.#reserve.look(this.#reusable);
    } catch {
      // Of a disk that cannot be asked the writes themselves tell what is wrong.
    }
  }

  #tell(): void {
    const { hindrance } = this;
    if (hindrance === this.#told) return;
    this.#told = hindrance;
    this.#onChange(hindrance);
  }
}
