/** A file that was saved before, once more. */
import { AgentError } from "../errors.ts";
import { toBase64 } from "../protocol/index.ts";
import type { FetchMeans, Fetchable } from "./fetch.ts";
import type { FileTarget } from "./host.ts";
import { safeName } from "./names.ts";

const PIECE_BYTES = 2 ** 20;

/** What is to be copied: a file as its sender describes it, and where it is. */
export type Copied = Pick<Fetchable, "name" | "bytes" | "sha256"> & { path: string };

/** @throws AgentError file_failed (file_changed), aborted; what the system says */
export async function copyInto(
  { host, signal, onProgress }: Omit<FetchMeans, "server">,
  { path, name, bytes, sha256 }: Copied,
  target: Pick<FileTarget, "truncate" | "write">,
): Promise<void> {
  await using source = await host.open(path);
  const hasher = host.hasher();
  const buffer = new Uint8Array(PIECE_BYTES);
  await target.truncate(0);
  for (let at = 0; source !== undefined && at < bytes;) {
    if (signal?.aborted === true) throw new AgentError("aborted", "aborted while a file was copied");
    const read = await source.read(at, buffer);
    if (read === 0) break;
    const piece = buffer.subarray(0, Math.min(read, bytes - at));
    hasher.update(piece);
    await target.write(at, piece);
    at += piece.length;
    onProgress(at);
  }
  if (source?.bytes === bytes && toBase64(hasher.digest()) === sha256) return;
  throw new AgentError("file_failed", `${safeName(name)} was saved as ${path}, and has been changed since`, {
    reason: "file_changed",
    hint: "it is at the relay no longer: ask its sender to send it again",
  });
}
