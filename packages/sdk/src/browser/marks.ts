import { randomId } from "../protocol/index.ts";

function lockOf(store: string, mark: string): string {
  return `${store}/lives/${mark}`;
}

/** By which pages that share a store know who of them lives: each has a Web Lock, which the browser frees when its page is gone. */
export class Marks {
  readonly own: string;
  readonly #store: string;
  readonly #tell: () => void;
  readonly #gone = new Set<string>();
  /** Those whose locks are waited for. */
  readonly #watched = new Set<string>();
  readonly #ended = new AbortController();
  readonly #letGo: () => void;

  private constructor(store: string, { own, tell, letGo }: { own: string; tell: () => void; letGo: () => void }) {
    this.#store = store;
    this.own = own;
    this.#tell = tell;
    this.#letGo = letGo;
  }

  /** Takes a mark that nobody has. `tell`: called when another one is known to be gone. */
  static async take(store: string, tell: () => void): Promise<Marks> {
    const own = randomId();
    const taken = Promise.withResolvers<void>();
    const given = Promise.withResolvers<void>();
    const held = navigator.locks.request(lockOf(store, own), () => {
      taken.resolve();
      return given.promise;
    });
    held.catch(taken.reject);
    await taken.promise;
    return new Marks(store, { own, tell, letGo: given.resolve });
  }

  /** Locks can only be asked for by and by: what is not known yet is told as soon as it is. */
  isGone(mark: string): boolean {
    if (mark === this.own) return this.#ended.signal.aborted;
    if (this.#gone.has(mark)) return true;
    if (!this.#watched.has(mark)) this.#watch(mark);
    return false;
  }

  /** The page, or the store, is about to be gone. */
  leave(): void {
    this.#ended.abort();
    this.#letGo();
  }

  #watch(mark: string): void {
    this.#watched.add(mark);
    const freed = (): void => {
      this.#gone.add(mark);
      this.#tell();
    };
    navigator.locks
      .request(lockOf(this.#store, mark), { mode: "shared", signal: this.#ended.signal }, freed)
      .catch(() => undefined)
      .finally(() => this.#watched.delete(mark));
  }
}
