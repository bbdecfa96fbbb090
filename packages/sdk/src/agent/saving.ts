/** A file of a message that has come, on its way into a folder. */
import { AgentError } from "../errors.ts";
import { claimOf, type Claimer, isTaken, keepClaim, whileOurs } from "../files/claim.ts";
import { copyInto, type Copied } from "../files/copy.ts";
import { type Fetchable, fetchInto, UnfetchedError } from "../files/fetch.ts";
import type { FileHost, FileTarget } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import { pause } from "../files/pause.ts";
import type { InFileRecord } from "../records/file-records.ts";
import { fileKey } from "../records/files.ts";
import { fileIsHere } from "../records/here.ts";
import { oweFile } from "../records/owed.ts";
import { find, pad, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { asFailed, full, isChanged, isFull, noRoom } from "./file-errors.ts";
import type { SaveOptions } from "./file-info.ts";
import { rowByLocalId } from "./message.ts";
import { fetchable, offered, refuseLarge } from "./offered.ts";
import { forgetPart, removeAbandoned } from "./parts.ts";

/** How often it is looked whether another process is done with a file. Milliseconds. */
const LOOK_MS = 200;
interface Means {
  store: ClientStore;
  host: FileHost;
  server: string;
  claimer: Claimer;
  /** Words by which this process works on files now. */
  active: Set<string>;
}

interface Wanted {
  /** Of the message, as it is known here. */
  id: string;
  index: number;
  folder: string;
}

/** A file that this process fetches, or copies from where it was saved before: its message, what that says of it, and its record. */
interface Begun {
  row: InboxRecord;
  file: Fetchable | (Copied & { blob: string });
  record: InFileRecord & { part: string };
}

/** Whatever happened to a file, it is to be looked at again: it is another process's, or lies elsewhere. */
class Again extends Error {}

export class Saving {
  readonly #means: Means;
  readonly #wanted: Wanted;
  readonly #options: SaveOptions & { signal: AbortSignal };

  constructor(means: Means, wanted: Wanted, options: SaveOptions & { signal: AbortSignal }) {
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
      const begun = await this.#begin(this.#folder());
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

  /** Where it is to be saved: the folder as it is meant, which is there. */
  #folder(): string {
    const { folder } = this.#wanted;
    try {
      return this.#means.host.folder(folder, this.#options.root);
    } catch (error) {
      throw isFull(error) ? full(folder, error) : asFailed(error, folder);
    }
  }

  /** @returns where it is, if it is there; what is to be fetched, claimed by this process; undefined if it is another's */
  async #begin(folder: string): Promise<Begun | string | undefined> {
    const { store, host, claimer } = this.#means;
    const { index, id } = this.#wanted;
    const before = await store.read(async (tx) => {
      const row = await rowByLocalId(tx, id);
      return { record: await find(tx, "in-file/", fileKey({ seq: row.seq, index })), offer: offered(row, index) };
    });
    const { path } = before.record ?? {};
    const saved = path !== undefined && (await host.isThere(path, before.offer.bytes)) ? path : undefined;
    if (saved !== undefined && host.folderOf(saved) === folder) {
      await this.#endPart(before.record);
      return saved;
    }
    if (before.offer.key !== undefined || saved !== undefined) refuseLarge(before.offer, this.#options.maxBytes);
    await removeAbandoned(store, host);
    const { begun, left } = await store.write(async (tx) => {
      const row = await rowByLocalId(tx, id);
      const offer = offered(row, index);
      const key = fileKey({ seq: row.seq, index });
      const now = await find(tx, "in-file/", key);
      if (now !== undefined && isTaken(store, now.claim, claimer) && !this.#isLeft(now)) return {};
      if (now?.path !== path) return {};
      const file = saved === undefined ? fetchable(offer, now) : { ...offer, path: saved };
      const { blob } = offer;
      const goesOn = now?.blob === blob && now.folder === folder && this.#isLeft(now);
      const part = (goesOn ? now.part : undefined) ?? host.newPart(offer.name);
      const at = saved === undefined ? {} : { path: saved };
      const record = { seq: row.seq, index, blob, folder, part, ...at, at: Date.now(), claim: claimOf(claimer) };
      await put(tx, "in-file/", key, record);
      // It is known before it is there: whoever dies leaves none that nobody knows.
      await tx.put(`part/${key}`, "");
      return {
        begun: { row, file, record },
        left: goesOn || now === undefined || !this.#isLeft(now) ? undefined : now,
      };
    });
    if (left?.part !== undefined) await host.removePart(left.folder, left.part, left.path).catch(() => undefined);
    return begun;
  }

  /** A process has ended when the file had its name and its part was not yet gone. */
  async #endPart(record: InFileRecord | undefined): Promise<void> {
    const { store, host } = this.#means;
    if (record?.part === undefined) return;
    await host.removePart(record.folder, record.part, record.path);
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
      target = await host.save(record.folder, file.name, { part: record.part, root: this.#options.root });
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
      if (!(await host.hasRoom(record.folder, bytes - target.bytes))) throw noRoom();
      await ("path" in file ? copyInto(means, file, target) : fetchInto(means, file, target));
      // Another process that took it over, by a clock that was set, gives it its name.
      await this.#ours(key, {});
    }
    const path = await target.finish((place) => this.#ours(key, { path: place }, (tx) => this.#tell(tx)));
    await store.write((tx) => forgetPart(tx, record));
    return path;
  }

  /** The file has its name. Of a copy nobody needs to hear. */
  async #tell(tx: WriteTransaction): Promise<void> {
    const { index, id } = this.#wanted;
    const row = await rowByLocalId(tx, id);
    if (row.files?.[index]?.key === undefined) return;
    await put(tx, "in/", pad(row.seq), await fileIsHere(tx, row, index));
  }

  /** What failed: of what can never be had, or has no room, nothing stays. @returns what is to be thrown */
  async #failed({ row, file, record }: Begun, target: FileTarget | undefined, error: unknown): Promise<unknown> {
    const { store } = this.#means;
    const { index } = this.#wanted;
    const key = fileKey(record);
    const isShort = isFull(error);
    // What has its name is whole: whoever opens its part again finds that.
    if ((error instanceof UnfetchedError || isShort || isChanged(error)) && target?.finished === undefined) {
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
