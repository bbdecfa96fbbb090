/** What a message says of its files. */
import type { FileProgress } from "../files/host.ts";
import { safeName } from "../files/names.ts";
import { fromBase64 } from "../protocol/index.ts";
import type { InboxRecord } from "../records/tables.ts";

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
  onProgress?: (progress: FileProgress) => void;
  signal?: AbortSignal;
}

/** A file that can be fetched. */
export interface IncomingFile extends FileInfo {
  /**
   * Fetches it into a folder, which is made if it is not there; from where it was left, if that was begun. Its sender hears that it
   * is there. One that is there already, from before, is not fetched again.
   * @returns its whole path, under a name that was free
   * @throws AgentError file_failed (too_large, file_expired, file_damaged), disk_full, relay_unreachable, aborted
   */
  save(folder: string, options?: SaveOptions): Promise<string>;
}

export function filesIn({ files = [] }: InboxRecord): FileInfo[] {
  return files.map(({ name, bytes, type, sha256 }) => ({ name: safeName(name), bytes, type, sha256: hex(sha256) }));
}

function hex(base64: string): string {
  return [...fromBase64(base64)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
