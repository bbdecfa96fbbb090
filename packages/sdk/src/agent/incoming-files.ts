/** Files of messages that have come: fetched, verified and saved when somebody wants them. */
import { AgentError } from "../errors.ts";
import { claimOf, type Claimer, isTaken, keepClaim, whileOurs } from "../files/claim.ts";
import { type Fetchable, fetchInto, UnfetchedError } from "../files/fetch.ts";
import type { FileHost, FileTarget } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import { randomId } from "../protocol/index.ts";
import type { InFileRecord } from "../records/file-records.ts";
import { fileKey } from "../records/files.ts";
import { oweFile } from "../records/owed.ts";
import { find, pad, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { check } from "./arguments.ts";
import { asFailed, full, isFull, noRoom, tooLarge } from "./file-errors.ts";
import { filesIn, type IncomingFile, type SaveOptions } from "./file-info.ts";
import { rowByLocalId } from "./message.ts";
import { forgetPart, removeAbandoned } from "./parts.ts";

/** How often it is looked whether another process is done with a file. Milliseconds. */
const LOOK_MS = 200;
/** Of larger ones somebody has to say that they are wanted. Bytes. */
const MOST_BYTES = 2 ** 30;

interface Means {
  store: ClientStore;
  host: FileHost | undefined;
  server: string;
  claimer: Claimer;
  /** Words by which this process works on files now. */
  active: Set<string>;
  /** Keeps whoever closes the agent waiting until it is done. */
  track: <T>(work: (stop: AbortSignal) => Promise<T>) => Promise<T>;
}

/** The files of a message, with what may be done with them. */
export function incomingFiles(row: InboxRecord, means: Means): IncomingFile[] {
  return filesIn(row).map((info, index) =>
    Object.assign(info, {
      save: async (folder: string, options: SaveOptions = {}) => {
        check("text", { text: folder }, "folder");
        check("save", options, "options");
        const { host } = means;
        if (host === undefined)
          throw new AgentError("usage", "this runtime has no folders", { hint: "give a file host" });
        return means.track((stop) => {
          const signal = options.signal === undefined ? stop : AbortSignal.any([options.signal, stop]);
          const claimer = { ...means.claimer, by: randomId() };
          return new Saving(
            { ...means, claimer, host },
            { id: row.local_id, index, folder },
            { ...options, signal },
          ).run();
        });
      },
    }),
  );
}

interface Wanted {
  /** Of the message, as it is known here. */
  id: string;
  index: number;
  folder: string;
}

/** A file that this process fetches: its message, what that says of it, and its record. */
interface Begun {
  row: InboxRecord;
  file: Fetchable;
  record: InFileRecord & { part: string };
}

/** Whatever happened to a file, it is to be looked at again: it is another process's, or lies elsewhere. */
class Again extends Error {}

/** One file on its way into a folder. */
class Saving {
  readonly #means: Means & { host: FileHost };
  readonly #wanted: Wanted;
  readonly #options: SaveOptions & { signal: AbortSignal };

  constructor(means: Means & { host: FileHost }, wanted: Wanted, options: SaveOptions & { signal: AbortSignal }) {
    this.#means = means;
    this.#wanted = wanted;
    this.#options = options;
  }

  async run(): Promise<string> {
    const { active, claimer } = this.#means;
    active.add(claimer.by);
    try {
      return await this.#run();
    } finally {
      active.delete(claimer.by);
    }
  }

  async #run(): Promise<string> {
    for (;;) {
      this.#refuseIfAborted();
      const begun = await this.#begin();
      if (typeof begun === "string") return begun;
      // Another process fetches it.
      if (begun === undefined) await pause(LOOK_MS, this.#options.signal);
      else
        try {
          return await this.#save(begun);
        } catch (error) {
          if (!(error instanceof Again)) throw error;
        }
    }
  }

  /** @returns where it is, if it is there; what is to be fetched, claimed by this process; undefined if it is another's */
  async #begin(): Promise<Begun | string | undefined> {
    const { store, host, claimer } = this.#means;
    const { index, folder, id } = this.#wanted;
    const before = await store.read(async (tx) => {
      const { seq, files = [] } = await rowByLocalId(tx, id);
      return { record: await find(tx, "in-file/", fileKey({ seq, index })), offer: files[index] };
    });
    if (before.offer === undefined)
      throw new AgentError("file_failed", "the message has no such file", { reason: "no_file" });
    const { path } = before.record ?? {};
    if (path !== undefined && (await host.isThere(path, before.offer.bytes))) {
      await this.#endPart(before.record);
      return path;
    }
    const { name, bytes } = before.offer;
    const { maxBytes = MOST_BYTES } = this.#options;
    if (bytes > maxBytes) throw tooLarge(name, { bytes, maxBytes });
    await removeAbandoned(store, host);
    const { begun, left } = await store.write(async (tx) => {
      const row = await rowByLocalId(tx, id);
      const offer = row.files?.[index];
      const key = fileKey({ seq: row.seq, index });
      const now = await find(tx, "in-file/", key);
      if (now !== undefined && isTaken(store, now.claim, claimer) && !this.#isLeft(now)) return {};
      if (now?.path !== path) return {};
      if (offer?.key === undefined || offer.token === undefined)
        throw new AgentError("file_failed", `${safeName(name)} can be fetched no longer`, { reason: "file_expired" });
      const { blob } = offer;
      // Its sender was told, and says by another offer where it lies then.
      if (now?.blob === blob && now.unfetched !== undefined) throw new UnfetchedError(now.unfetched, safeName(name));
      const goesOn = now?.blob === blob && now.folder === folder && this.#isLeft(now);
      const part = (goesOn ? now.part : undefined) ?? host.newPart(offer.name);
      const record = { seq: row.seq, index, blob, folder, part, at: Date.now(), claim: claimOf(claimer) };
      await put(tx, "in-file/", key, record);
      // It is known before it is there: whoever dies leaves none that nobody knows.
      await tx.put(`part/${key}`, "");
      const file: Fetchable = { ...offer, key: offer.key, token: offer.token };
      return {
        begun: { row, file, record },
        left: goesOn || now === undefined || !this.#isLeft(now) ? undefined : now,
      };
    });
    if (left?.part !== undefined) await host.removePart(left.folder, left.part).catch(() => undefined);
    return begun;
  }

  /** A process has ended when the file had its name and its part was not yet gone. */
  async #endPart(record: InFileRecord | undefined): Promise<void> {
    const { store, host } = this.#means;
    if (record?.part === undefined) return;
    await host.removePart(record.folder, record.part);
    await store.write((tx) => forgetPart(tx, record));
  }

  /** Whether nobody writes to the part of a file any more: its process has let go of it, perhaps without being able to say so, or died. */
  #isLeft({ claim }: InFileRecord): boolean {
    const { store, active, claimer } = this.#means;
    if (claim?.mark === undefined) return claim === undefined;
    return claim.mark === claimer.mark ? !active.has(claim.by) : store.isGone?.(claim.mark) === true;
  }

  async #save(begun: Begun): Promise<string> {
    const { store, host, claimer } = this.#means;
    const { file, record } = begun;
    const key = fileKey(record);
    const stop = keepClaim(store, { table: "in-file/", key, claimer });
    let target: FileTarget | undefined;
    try {
      target = await host.save(record.folder, file.name, record.part);
      // Another took its place; this one is the part now.
      if (target.part !== record.part) await this.#ours(key, { part: (record.part = target.part) });
      return await this.#fetch(begun, target);
    } catch (error) {
      await target?.close().catch(() => undefined);
      throw await this.#failed(begun, target, error);
    } finally {
      stop();
      await store.write((tx) => letGo(tx, key, claimer.by)).catch(() => undefined);
    }
  }

  async #fetch({ row, file, record }: Begun, target: FileTarget): Promise<string> {
    const { store, host, server } = this.#means;
    const { index } = this.#wanted;
    const { signal, onProgress } = this.#options;
    const key = fileKey(record);
    const { bytes } = file;
    const name = safeName(file.name);
    const progress = { message: row.local_id, file: index, name, direction: "down", bytes } as const;
    const means = { host, server, signal, onProgress: (done: number) => onProgress?.({ ...progress, done }) };
    if (target.finished === undefined) {
      if ((await host.roomIn(record.folder)) < bytes - target.bytes) throw noRoom();
      await fetchInto(means, file, target);
      // Another process that took it over, by a clock that was set, gives it its name.
      await this.#ours(key, {});
    }
    const path = await target.finish((place) => this.#ours(key, { path: place }, (tx) => this.#tell(tx)));
    await store.write((tx) => forgetPart(tx, record));
    return path;
  }

  /** The file has its name: its sender hears so, and nobody needs its key any more. */
  async #tell(tx: WriteTransaction): Promise<void> {
    const { index, id } = this.#wanted;
    const row = await rowByLocalId(tx, id);
    await oweFile(tx, row, { index });
    const files = row.files?.map((file, place) => {
      const { key: _key, token: _token, ...said } = file;
      return place === index ? said : file;
    });
    await put(tx, "in/", pad(row.seq), { ...row, ...(files === undefined ? {} : { files }) });
  }

  /** What failed: of what can never be had, or has no room, nothing stays. @returns what is to be thrown */
  async #failed({ row, file, record }: Begun, target: FileTarget | undefined, error: unknown): Promise<unknown> {
    const { store } = this.#means;
    const { index } = this.#wanted;
    const key = fileKey(record);
    const isShort = isFull(error);
    // What has its name is whole: whoever opens its part again finds that.
    if ((error instanceof UnfetchedError || isShort) && target?.finished === undefined) {
      await target?.discard();
      const isOther = await store.write(async (tx) => {
        const now = await rowByLocalId(tx, this.#wanted.id);
        const isSame = now.files?.[index]?.blob === file.blob;
        await whileOurs(tx, { table: "in-file/", key, by: this.#means.claimer.by }, async (known) => {
          const why = error instanceof UnfetchedError && isSame ? { unfetched: error.reason } : {};
          await forgetPart(tx, { ...known, ...why });
          if (error instanceof UnfetchedError && isSame) await oweFile(tx, row, { index, reason: error.reason });
        });
        return !isSame;
      });
      if (isOther && !isShort) return new Again();
      return isShort ? full(file.name, error) : error;
    }
    // This process stood still for so long that another one has begun it anew.
    const now = await store.read((tx) => find(tx, "in-file/", key)).catch(() => undefined);
    if (now === undefined || now.claim?.by === this.#means.claimer.by) return asFailed(error, record.folder);
    if (now.part !== record.part) await target?.discard();
    return this.#options.signal.aborted ? error : new Again();
  }

  /** Changes the record. @throws Again if it is another process's by now */
  async #ours(
    key: string,
    more: Partial<InFileRecord>,
    beside: (tx: WriteTransaction) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { store, claimer } = this.#means;
    const done = await store.write((tx) =>
      whileOurs(tx, { table: "in-file/", key, by: claimer.by }, async (record) => {
        await put(tx, "in-file/", key, { ...record, ...more, at: Date.now() });
        await beside(tx);
        return true;
      }),
    );
    if (done !== true) throw new Again();
  }

  #refuseIfAborted(): void {
    if (this.#options.signal.aborted) throw new AgentError("aborted", "aborted while a file was fetched");
  }
}

async function letGo(tx: WriteTransaction, key: string, by: string): Promise<void> {
  await whileOurs(tx, { table: "in-file/", key, by }, ({ claim: _claim, ...record }) =>
    put(tx, "in-file/", key, record),
  );
}

/** Resolves after some time, or when nobody waits any more. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
