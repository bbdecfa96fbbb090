import { fstatSync, statSync } from "node:fs";
import { join } from "node:path";

/** The two that hold what is acknowledged, and the two without which others would use them at once. */
const FILES = ["relay.db", "relay.db-wal", "relay.db-shm", "lock.db"] as const;
type Identity = { dev: number; ino: number };

/** Whether the files of a database are still where they were opened: what is written to one that is gone is gone with this process. */
export class Place {
  readonly #paths: string[];
  readonly #known: (Identity | undefined)[];

  /** @param log Descriptor of the open log. */
  constructor(folder: string, log: number) {
    this.#paths = FILES.map((name) => join(folder, name));
    this.#known = this.#paths.map((path, index) => (index === 1 ? fstatSync(log) : identityOf(path)));
  }

  /** Whether database and log are. Takes two microseconds. */
  holdsMail(): boolean {
    return this.#isThere(0) && this.#isThere(1);
  }

  isWhole(): boolean {
    return this.#paths.every((_, index) => this.#isThere(index));
  }

  #isThere(index: number): boolean {
    const found = identityOf(this.#paths[index] ?? "");
    const known = this.#known[index];
    return found !== undefined && found.ino === known?.ino && found.dev === known.dev;
  }
}

/** Undefined if nothing is there, or nobody lets us look. */
function identityOf(path: string): Identity | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
