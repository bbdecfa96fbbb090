/** Files that this process brings to the relay: those that it was given, and, where it holds the link, those that nobody sees to. */
import { AgentError } from "../errors.ts";
import { claimOf, type Claimer, isTaken, whileOurs } from "../files/claim.ts";
import type { FileHost, FileProgress, FileToSend } from "../files/host.ts";
import { upload } from "../files/upload.ts";
import type { Link } from "../link/link.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { filesOf } from "../records/files.ts";
import { find, put, readable } from "../records/records.ts";
import type { OutboxRecord } from "../records/tables.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
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
/** A relay may ask for so much more. Milliseconds. */
const MOST_ASKED_MS = 60_000;
/** How often it is looked for what streams gave to messages that never came to be. Milliseconds. */
const TIDY_MS = 3_600_000;
/** Between one page of files and the next. Milliseconds. */
const GO_ON_MS = 20;
/** Messages of this process's own of which it is looked whether their files are up, each time. */
const OWN_LOOKED_AT = 8;
const UP = "blob/up/";

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
  readonly #round = new Round();
  /** It is not round yet. */
  #goesOn = false;
  #changes: Changes | undefined;
  #running: Promise<void> | undefined;
  #woken = false;
  #lookedAt = 0;
  #tidied = -Infinity;

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

  /** Files were looked at, and are in no message. */
  async letGo({ files }: NonNullable<Letter["given"]>): Promise<void> {
    for (const { kept, path } of files) if (kept === true) await this.#means.host.letGo(path).catch(() => undefined);
  }

  wake(): void {
    this.#woken = true;
    this.#changes?.wake();
    if (this.#stop.signal.aborted || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#woken) this.wake();
    });
  }

  /** Lets go of what is not done: another process goes on with it at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#active.values());
  }

  /** Removes what streams gave and no message has, now and then. */
  async tidy(): Promise<void> {
    if (performance.now() - this.#tidied < TIDY_MS) return;
    this.#tidied = performance.now();
    const { store, host } = this.#means;
    const kept: string[] = [];
    for (let after: string | undefined, page; page === undefined || page.length === LOOKED_AT;) {
      page = await store.read((tx) => tx.list({ prefix: "out-file/", after, limit: LOOKED_AT }));
      for (const [key, value] of page) {
        after = key;
        const file = readable(value) as OutFileRecord | undefined;
        if (file?.kept === true) kept.push(file.path);
      }
    }
    await host.tidy(kept.filter((path) => path !== ""));
  }

  async #run(): Promise<void> {
    const { store, link } = this.#means;
    const { signal } = this.#stop;
    const changes = (this.#changes = new Changes(store, link, signal));
    try {
      while (!signal.aborted) {
        this.#woken = false;
        // The store may be busy, or its disk full: it is looked at again.
        const found = await this.#look().catch((error: unknown) => {
          if (error instanceof AgentError && error.code === "closed") this.#stop.abort();
          return { files: [], more: true };
        });
        for (const file of found.files) this.#start(file);
        if (!found.more && this.#active.size === 0) return;
        await changes.next(this.#untilNext());
      }
    } finally {
      changes.end();
    }
  }

  /** What can be begun now, and whether there is anything else that may be this process's. */
  #look(): Promise<{ files: string[]; more: boolean }> {
    this.#lookedAt = performance.now();
    return this.#means.store.read(async (tx) => {
      await this.#forgetDone(tx);
      const isLink = this.#means.link.state.state === "connected";
      const page = await tx.list({ prefix: UP, after: this.#round.after, limit: LOOKED_AT });
      const files: string[] = [];
      for (const at of page.map(([key]) => key.slice(UP.length)))
        if ((isLink || this.#own.has(Number(at.split("/")[0]))) && (await this.#mayBegin(tx, at))) files.push(at);
      this.#goesOn = this.#round.moveOn(page.length === LOOKED_AT ? page.at(-1)?.[0] : undefined, files.length > 0);
      const more = this.#own.size > 0 || this.#waits.size > 0 || (isLink && page.length > 0) || this.#goesOn;
      return { files, more };
    });
  }

  /** Of messages whose files are up, or have ended, nothing is kept in mind. Some are looked at each time. */
  async #forgetDone(tx: ReadTransaction): Promise<void> {
    for (const [seq, own] of [...this.#own.entries()].slice(0, OWN_LOOKED_AT)) {
      this.#own.delete(seq);
      if ((await filesOf(tx, seq)).some(({ state }) => state === "waits")) this.#own.set(seq, own);
    }
    for (const at of this.#waits.keys()) if ((await tx.get(UP + at)) === undefined) this.#waits.delete(at);
  }

  async #mayBegin(tx: ReadTransaction, at: string): Promise<boolean> {
    if (this.#active.has(at) || (this.#waits.get(at)?.until ?? 0) > performance.now()) return false;
    const file = await find(tx, "out-file/", at);
    return file?.state !== "waits" || !isTaken(this.#means.store, file.claim, this.#claimer);
  }

  #start(at: string): void {
    if (this.#active.size >= AT_A_TIME || this.#active.has(at)) return;
    const bringing = this.#bring(at).finally(() => this.#active.delete(at));
    this.#active.set(at, bringing);
    // Others wait for its place.
    void bringing.then(() => this.wake());
  }

  async #bring(at: string): Promise<void> {
    const { store, host, server } = this.#means;
    const { signal } = this.#stop;
    const [seq, index] = at.split("/").map(Number) as [number, number];
    const own = this.#own.get(seq);
    const onProgress = (progress: FileProgress): void => tell(own, progress);
    let reached = false;
    const onReached = (): void => void (reached = true);
    try {
      const means = { store, host, server, claimer: this.#claimer, onProgress, onReached, signal };
      // Whatever it is that it waits for: the others come first.
      if (await upload(means, { seq, index })) this.#waits.delete(at);
      else this.#delay(at);
    } catch (error) {
      // What went on for a while need not wait for long.
      if (reached) this.#waits.delete(at);
      await this.#putOff(at, error);
    }
  }

  /** What went wrong is said where the file's state is, and it is tried again. */
  async #putOff(at: string, error: unknown): Promise<void> {
    const { store } = this.#means;
    const known = error instanceof AgentError ? error : new AgentError("internal", String(error), { cause: error });
    // However long a relay says: it may say another thing then.
    this.#delay(at, Math.min(known.retryAfterMs ?? 0, MOST_ASKED_MS));
    const reason = known.reason ?? (known === error ? known.code : wordOf(error));
    await store
      .write((tx) =>
        whileOurs(tx, { table: "out-file/", key: at, by: this.#claimer.by }, ({ claim: _claim, ...file }) =>
          put(tx, "out-file/", at, known.code === "aborted" ? file : { ...file, reason }),
        ),
      )
      .catch(() => undefined);
  }

  #delay(at: string, least = 0): void {
    const delay = Math.min(2 * (this.#waits.get(at)?.delay ?? FIRST_WAIT_MS / 2), LAST_WAIT_MS);
    this.#waits.set(at, { until: performance.now() + Math.max(least, delay), delay });
  }

  #untilNext(): number {
    let next = this.#goesOn ? GO_ON_MS : LOOK_MS;
    // Those whose time was over have been looked at.
    for (const { until } of this.#waits.values())
      if (until > this.#lookedAt) next = Math.min(next, Math.max(1, until - performance.now()));
    return next;
  }
}

/** What goes wrong where somebody is told has nothing to do with the file: it is not told again. */
function tell(own: Own | undefined, progress: FileProgress): void {
  if (own?.onProgress === undefined) return;
  try {
    own.onProgress({ ...progress, message: own.id });
  } catch {
    own.onProgress = undefined;
  }
}

/** The system's own word for an error, such as EIO. */
function wordOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : "internal";
}

/** Goes round a table, so that nothing is behind what cannot be done now: until something can, or all of it was seen once. */
class Round {
  /** The last key that was seen; undefined: it begins at the beginning. */
  after: string | undefined;
  /** Where it began since something could be done, and whether it has been at the end since then. */
  #from: string | undefined;
  #wasAtEnd = false;

  /** @param end The last key of a page, if there may be more behind it. @returns whether it goes on at once */
  moveOn(end: string | undefined, found: boolean): boolean {
    this.#from ??= this.after ?? "";
    const isRound = end === undefined ? this.#from === "" || this.#wasAtEnd : this.#wasAtEnd && end >= this.#from;
    this.#wasAtEnd ||= end === undefined;
    if (found || isRound) [this.#from, this.#wasAtEnd] = [undefined, false];
    if (!found) this.after = end;
    return !found && !isRound;
  }
}
