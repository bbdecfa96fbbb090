/** Files that this process brings to the relay: those that it was given, and, where it holds the link, those that nobody sees to. */
import { AgentError } from "../errors.ts";
import { claimOf, type Claimer, isTaken, whileOurs } from "../files/claim.ts";
import type { FileHost, FileProgress, FileToSend } from "../files/host.ts";
import { upload } from "../files/upload.ts";
import type { Link } from "../link/link.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { fileKey } from "../records/files.ts";
import { find, put } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import type { Letter } from "./enqueue.ts";
import { Changes } from "./waiting.ts";

/** Files at a time, and rows that are looked at for one. */
const AT_A_TIME = 2;
const LOOKED_AT = 64;
/** The longest time without a look: claims run out by themselves. Milliseconds. */
const LOOK_MS = 5_000;
/** What cannot be brought now is tried again after so long, then twice that, and so on. Milliseconds. */
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 15_000;

interface Means {
  store: ClientStore;
  link: Link;
  host: FileHost;
  server: string;
}

/** A message whose files this process was given. */
interface Own {
  id: string;
  onProgress: ((progress: FileProgress) => void) | undefined;
}

export class Uploads {
  readonly #means: Means;
  readonly #claimer: Claimer;
  readonly #stop = new AbortController();
  /** By place in the outbox. */
  readonly #own = new Map<number, Own>();
  readonly #active = new Map<string, Promise<void>>();
  /** Those that could not be brought: until when they wait (`performance.now()`), and how long that was. */
  readonly #waits = new Map<string, { until: number; delay: number }>();
  #running: Promise<void> | undefined;

  constructor(means: Means, claimer: Claimer) {
    this.#means = means;
    this.#claimer = claimer;
    means.link.onFiles = () => this.wake();
  }

  /** @throws AgentError bad_file, disk_full */
  async look(files: readonly FileToSend[]): Promise<NonNullable<Letter["given"]>> {
    return { files: await this.#means.host.look(files), claim: claimOf(this.#claimer) };
  }

  /** This process was given files, which are in the store. */
  begin({ seq, id }: OutboxRecord, onProgress: Own["onProgress"]): void {
    this.#own.set(seq, { id, onProgress });
    this.wake();
  }

  wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#running ??= this.#run()
      .catch(() => undefined)
      .finally(() => (this.#running = undefined));
  }

  /** Lets go of what is not done: another process goes on with it at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#active.values());
  }

  async #run(): Promise<void> {
    const { store, link } = this.#means;
    const { signal } = this.#stop;
    const changes = new Changes(store, link, signal);
    try {
      while (!signal.aborted) {
        const { files, more } = await this.#look();
        for (const file of files) this.#start(file);
        if (!more && this.#active.size === 0) return;
        await changes.next(this.#untilNext());
      }
    } finally {
      changes.end();
    }
  }

  /** What can be begun now, and whether there is anything else that may be this process's. */
  #look(): Promise<{ files: OutFileRecord[]; more: boolean }> {
    const { store } = this.#means;
    return store.read(async (tx) => {
      const files: OutFileRecord[] = [];
      let more = false;
      for (const [key] of await tx.list({ prefix: "blob/up/", limit: LOOKED_AT })) {
        const at = key.slice("blob/up/".length);
        const file = await find(tx, "out-file/", at);
        if (file === undefined || !this.#isOurs(file)) continue;
        more = true;
        const isFree = !this.#active.has(at) && !isTaken(store, file.claim, this.#claimer);
        const waits = (this.#waits.get(at)?.until ?? 0) > performance.now();
        const hasEnded = file.state !== "waits";
        if (isFree && !waits && (file.token !== undefined || hasEnded)) files.push(file);
      }
      return { files, more };
    });
  }

  /** Who holds the link sees to what others have left. */
  #isOurs({ seq }: OutFileRecord): boolean {
    return this.#own.has(seq) || this.#means.link.state.state === "connected";
  }

  #start(file: OutFileRecord): void {
    const at = fileKey(file);
    if (this.#active.size >= AT_A_TIME || this.#active.has(at)) return;
    const bringing = this.#bring(file, at).finally(() => this.#active.delete(at));
    this.#active.set(at, bringing);
    // Others wait for its place.
    void bringing.then(() => this.#means.link.wake());
  }

  async #bring(file: OutFileRecord, at: string): Promise<void> {
    const { store, host, server } = this.#means;
    const { signal } = this.#stop;
    const own = this.#own.get(file.seq);
    const onProgress = (progress: FileProgress): void => own?.onProgress?.({ ...progress, message: own.id });
    try {
      await upload({ store, host, server, claimer: this.#claimer, onProgress, signal }, file);
      this.#waits.delete(at);
    } catch (error) {
      await this.#putOff(at, error);
    }
  }

  /** What went wrong is said where the file's state is, and it is tried again. */
  async #putOff(at: string, error: unknown): Promise<void> {
    const { store } = this.#means;
    const known = error instanceof AgentError ? error : new AgentError("internal", String(error), { cause: error });
    const { delay = FIRST_WAIT_MS / 2 } = this.#waits.get(at) ?? {};
    const next = Math.max(known.retryAfterMs ?? 0, Math.min(2 * delay, LAST_WAIT_MS));
    this.#waits.set(at, { until: performance.now() + next, delay: Math.min(2 * delay, LAST_WAIT_MS) });
    const reason = known.reason ?? known.code;
    await store
      .write((tx) =>
        whileOurs(tx, { table: "out-file/", key: at, by: this.#claimer.by }, ({ claim: _claim, ...file }) =>
          put(tx, "out-file/", at, known.code === "aborted" ? file : { ...file, reason }),
        ),
      )
      .catch(() => undefined);
  }

  #untilNext(): number {
    let next = LOOK_MS;
    for (const { until } of this.#waits.values()) next = Math.min(next, Math.max(1, until - performance.now()));
    return next;
  }
}
