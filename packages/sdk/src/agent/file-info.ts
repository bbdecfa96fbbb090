/** What a message says of its files. */
import type { FileProgress } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import { hex } from "../crypto/hex.ts";
import { fromBase64 } from "../protocol/index.ts";
import { segmentOf } from "../crypto/streaming.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { paddedLength } from "../records/files.ts";
import type { InboxRecord, OutboxRecord } from "../records/tables.ts";

/** A file of a message, as its sender describes it. */
export interface FileInfo {
  /** As it would be saved: safe on every system. */
  readonly name: string;
  readonly bytes: number;
  /** Media type, by its sender's word. */
  readonly type: string | undefined;
  /** In hex. */
  readonly sha256: string;
}

export interface SaveOptions {
  /** Larger ones are not fetched; default 1 GiB. */
  maxBytes?: number;
  /** It is saved only below this folder, in none whose name begins with a dot, and not outside by way of a link. */
  root?: string;
  onProgress?: (progress: FileProgress) => void;
  signal?: AbortSignal;
}

export type StreamOptions = Omit<SaveOptions, "root">;

/** A file that can be fetched. */
export interface IncomingFile extends FileInfo {
  /**
   * Fetches it into a folder, which is made if it is not there; from where it was left, if that was begun. Its sender hears that it
   * is there. One that is there already, from before, is not fetched again; from another folder it is copied.
   * @returns its whole path, under a name that was free
   * @throws AgentError bad_file (outside of the root), file_failed (too_large, file_gone, file_changed, file_expired, file_damaged, unwritable), disk_full, relay_unreachable, aborted
   */
  save(folder: string, options?: SaveOptions): Promise<string>;
  /**
   * Its bytes, in pieces of up to 1 MiB, each of which is authenticated; nothing of it is kept here. Only when the last has come
   * without an error, the whole is known to be what its sender has described. Its sender hears that it is here when its message
   * is handled: until then it can be streamed again.
   * @throws AgentError as {@link save}, from the iteration
   */
  stream(options?: StreamOptions): AsyncIterable<Uint8Array>;
}

/** A file of a message that was sent from here. */
export interface OutgoingFile {
  /** As it is called here. */
  readonly name: string;
  readonly bytes: number;
  /** So many may have left, to some 16 MiB. */
  readonly done: number;
  /** waits: the relay does not have it yet. up: it does. fetched: its recipient has it, or everybody of a group who may come by it. failed: it will never be there. */
  readonly state: OutFileRecord["state"];
  /** Of a message to a group: how many have it. */
  readonly fetched?: number;
  /** Why it waits, or has failed: a stable word. */
  readonly reason?: string;
}

export function outgoingFiles(
  records: readonly OutFileRecord[],
  recipients: OutboxRecord["recipients"],
): OutgoingFile[] {
  return records.map((record) => {
    const { name, bytes, state, reason, block, index } = record;
    const fetched = recipients === undefined ? {} : { fetched: recipients.files?.[index]?.fetched ?? 0 };
    const left = block === undefined ? 0 : segmentOf(paddedLength(record), block.segments - 1).plain.to;
    const done = state === "up" || state === "fetched" ? bytes : Math.min(bytes, left);
    return { name, bytes, done, state, ...fetched, ...(reason === undefined ? {} : { reason }) };
  });
}

export function filesIn({ files = [] }: InboxRecord): FileInfo[] {
  return files.map(({ name, bytes, type, sha256 }) => ({
    name: safeName(name),
    bytes,
    type,
    sha256: hex(fromBase64(sha256)),
  }));
}
