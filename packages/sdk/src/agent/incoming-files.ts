/** Files of messages that have come: fetched, verified and saved when somebody wants them. */
import { AgentError } from "../errors.ts";
import { claimOf, type Claimer, isTaken, keepClaim, whileOurs } from "../files/claim.ts";
import { type Fetchable, fetchInto, UnfetchedError } from "../files/fetch.ts";
import type { FileHost, FileTarget } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import type { InFileRecord } from "../records/file-records.ts";
import { fileKey } from "../records/files.ts";
import { owed } from "../records/owed.ts";
import { find, list, pad, put, remove } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { check } from "./arguments.ts";
import { filesIn, type IncomingFile, type SaveOptions } from "./file-info.ts";
import { rowByLocalId } from "./message.ts";

/** A part of which nothing has come for so long is removed. Milliseconds. */
const ABANDONED_MS = 86_400_000;
/** Parts that are looked at with each file that is saved. */
const LOOKED_AT = 100;
/** How often it is looked whether another process is done with a file. Milliseconds. */
const LOOK_MS = 200;
/** Of larger ones somebody has to say that they are wanted. Bytes. */
const MOST_BYTES = 2 ** 30;
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

interface Means {
  store: ClientStore;
  host: FileHost | undefined;
  server: string;
  claimer: Claimer;
}

/** The files of a message, with what may be done with them. */
export function incomingFiles(row: InboxRecord, means: Means): IncomingFile[] {
  return filesIn(row).map((info, index) =>
    Object.assign(info, {
      save: (folder: string, options: SaveOptions = {}) => {
        check("text", { text: folder }, "folder");
        check("save", options, "options");
        const { host } = means;
        if (host === undefined)
          throw new AgentError("usage", "this runtime has no folders", { hint: "give a file host" });
        return new Saving({ ...means, host }, { id: row.local_id, index, folder }, options).run();
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

/** One file on its way into a folder. */
class Saving {
  readonly #means: Means & { host: FileHost };
  readonly #wanted: Wanted;
  readonly #options: SaveOptions;

  constructor(means: Means & { host: FileHost }, wanted: Wanted, options: SaveOptions) {
    this.#means = means;
    this.#wanted = wanted;
    this.#options = options;
  }

  async run(): Promise<string> {
    const { store, host, claimer } = this.#means;
    const { row, file } = await this.#find();
    const { maxBytes = MOST_BYTES, root } = this.#options;
    const folder = this.#folder(root);
    const key = fileKey({ seq: row.seq, index: this.#wanted.index });
    const saved = await this.#begin(row, file, { key, folder });
    if (typeof saved === "string") return saved;
    const stop = keepClaim(store, { table: "in-file/", key, claimer });
    try {
      if (file.bytes > maxBytes) throw tooLarge(file, maxBytes);
      if ((await host.roomIn(folder)) < file.bytes) throw full(file.name);
      await removeAbandoned(store, host);
      const target = await host.save(folder, file.name, { part: saved.part, root });
      return await this.#fetch(row, file, target);
    } catch (error) {
      throw isFull(error) ? full(file.name, error) : error;
    } finally {
      stop();
      await store.write((tx) => letGo(tx, key, claimer.by)).catch(() => undefined);
    }
  }

  #folder(root: string | undefined): string {
    try {
      return this.#means.host.folder(this.#wanted.folder, root);
    } catch (error) {
      throw isFull(error) ? full(this.#wanted.folder, error) : error;
    }
  }

  /** The message and the file as they are now: the message may have moved, and the file been sent again. */
  async #find(): Promise<{ row: InboxRecord; file: Fetchable }> {
    const row = await this.#means.store.read((tx) => rowByLocalId(tx, this.#wanted.id));
    const offer = row.files?.[this.#wanted.index];
    if (offer === undefined) throw new AgentError("file_failed", "the message has no such file", { reason: "no_file" });
    const { key, token } = offer;
    if (key === undefined || token === undefined)
      throw new AgentError("file_failed", `${offer.name} can be fetched no longer`, { reason: "file_expired" });
    return { row, file: { ...offer, key, token } };
  }

  /** @returns what was begun of it, claimed by this process; or where it is, if it is there */
  async #begin(
    { seq }: InboxRecord,
    { blob, bytes }: Fetchable,
    { key, folder }: { key: string; folder: string },
  ): Promise<InFileRecord | string> {
    const { store, host, claimer } = this.#means;
    const { index } = this.#wanted;
    for (;;) {
      const before = await store.read((tx) => find(tx, "in-file/", key));
      if (before?.path !== undefined && (await host.isThere(before.path, bytes))) return before.path;
      const claimed = await store.write(async (tx) => {
        const now = await find(tx, "in-file/", key);
        if (now !== undefined && isTaken(store, now.claim, claimer)) return undefined;
        const goesOn = now !== undefined && now.blob === blob && now.folder === folder && now.path === undefined;
        const part = goesOn && now.part !== undefined ? { part: now.part } : {};
        const record: InFileRecord = { seq, index, blob, folder, ...part, at: Date.now(), claim: claimOf(claimer) };
        await put(tx, "in-file/", key, record);
        return record;
      });
      if (claimed !== undefined) return claimed;
      // Another process fetches it.
      if (this.#options.signal?.aborted === true) throw new AgentError("aborted", "aborted while a file was fetched");
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async #fetch(row: InboxRecord, file: Fetchable, target: FileTarget): Promise<string> {
    const { store, host, server, claimer } = this.#means;
    const { index } = this.#wanted;
    const { signal, onProgress } = this.#options;
    const key = fileKey({ seq: row.seq, index });
    const progress = {
      message: row.local_id,
      file: index,
      name: safeName(file.name),
      direction: "down",
      bytes: file.bytes,
    } as const;
    const means = { host, server, signal, onProgress: (done: number) => onProgress?.({ ...progress, done }) };
    const saved = (path: string): Promise<unknown> =>
      store.write(async (tx) => {
        await whileOurs(tx, { table: "in-file/", key, by: claimer.by }, ({ part: _part, ...record }) =>
          put(tx, "in-file/", key, { ...record, path, at: Date.now() }),
        );
        await tell(tx, row, { index });
      });
    try {
      if (target.finished !== undefined) return await target.finish(saved);
      await store.write((tx) =>
        whileOurs(tx, { table: "in-file/", key, by: claimer.by }, (record) =>
          put(tx, "in-file/", key, { ...record, part: target.part }),
        ),
      );
      await fetchInto(means, file, target);
      return await target.finish(saved);
    } catch (error) {
      const isShort = isFull(error);
      if (error instanceof UnfetchedError || isShort) {
        await target.discard();
        await store.write(async (tx) => {
          await remove(tx, "in-file/", key);
          if (error instanceof UnfetchedError) await tell(tx, row, { index, reason: error.reason });
        });
      }
      throw error;
    } finally {
      await target.close();
    }
  }
}

/** Its sender hears by the next receipt that a file is there, or why not. */
async function tell(
  tx: WriteTransaction,
  { from, seq, id, identity_key }: InboxRecord,
  { index, reason }: { index: number; reason?: string },
): Promise<void> {
  const whose = identity_key === undefined ? {} : { identity_key };
  const record = { id, file: index, ...whose, ...(reason === undefined ? {} : { reason }) };
  await tx.put(owed(from, "file", `${pad(seq)}/${index}`), JSON.stringify(record));
}

async function letGo(tx: WriteTransaction, key: string, by: string): Promise<void> {
  await whileOurs(tx, { table: "in-file/", key, by }, ({ claim: _claim, ...record }) =>
    put(tx, "in-file/", key, record),
  );
}

/** Removes parts that nobody goes on with. */
async function removeAbandoned(store: ClientStore, host: FileHost): Promise<void> {
  const begun = await store.read((tx) => list(tx, "in-file/", { limit: LOOKED_AT }));
  for (const { seq, index, folder, part, at, claim } of begun) {
    if (part === undefined || claim !== undefined || Math.abs(Date.now() - at) < ABANDONED_MS) continue;
    await host.removePart(folder, part).catch(() => undefined);
    await store.write((tx) => remove(tx, "in-file/", fileKey({ seq, index })));
  }
}

/** What the system says where there is no room. */
function isFull(error: unknown): boolean {
  return FULL.has((error as { code?: string }).code ?? "");
}

function tooLarge({ name, bytes }: Fetchable, most: number): AgentError {
  return new AgentError("file_failed", `${safeName(name)} has ${bytes} bytes, more than the ${most} that are taken`, {
    reason: "too_large",
    hint: "save it with a larger limit (--max-file), or leave it",
  });
}

function full(name: string, cause?: unknown): AgentError {
  return new AgentError("disk_full", `there is no room for ${safeName(name)}`, {
    hint: "free some space, or choose another folder; the message stays as it is",
    cause,
  });
}
