/** Encrypted files, from where one side has them to where the other has. */
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { BlobsAddress } from "../../config/blobs-address.ts";
import { elsewhere } from "../../blobs/open.ts";
import type { BlobStore } from "../../store/blob-store.ts";
import { AdminError } from "../admin-error.ts";

export interface MovedFiles {
  files: number;
  file_bytes: number;
  /** Those that the database names, and that are not there, or not whole. */
  missing_files: number;
}

export const NO_FILES: MovedFiles = { files: 0, file_bytes: 0, missing_files: 0 };

/** A file that is whole. */
export interface WholeFile {
  id: string;
  bytes: number;
}

interface FilesMove {
  /** Where they lie, and where they are to. */
  from: BlobsAddress;
  to: BlobsAddress;
  /** By which the place where they lie is known as this database's; undefined: by nothing yet. */
  known: string | undefined;
  /** By which the new place will be. */
  mark: string;
  /** All that are whole, page after page. */
  pages: AsyncIterable<WholeFile[]>;
}

/** Whether both are the same folder, so that all files are where they should be. */
export function isSamePlace(one: BlobsAddress, other: BlobsAddress): boolean {
  return "folder" in one && "folder" in other && realPath(one.folder) === realPath(other.folder);
}

function nameOf(place: BlobsAddress): string {
  return "folder" in place ? place.folder : `${place.bucket.url.href}${place.bucket.prefix}`;
}

function realPath(folder: string): string {
  const isThere = statSync(folder, { throwIfNoEntry: false }) !== undefined;
  return isThere ? realpathSync(folder) : resolve(folder);
}

/**
 * Copies what is not there yet: whoever was killed goes on where it was.
 * @throws AdminError if one of the places is another database's
 */
export async function moveFiles({ from, to, known, mark, pages }: FilesMove): Promise<MovedFiles> {
  const done = { files: 0, file_bytes: 0, missing_files: 0 };
  await using parts = new AsyncDisposableStack();
  const [source, target] = [parts.use(elsewhere(from)), parts.use(elsewhere(to))];
  let isClaimed = false;
  for await (const page of pages)
    for (const file of page) {
      if (!isClaimed) await claim(source, target, { from, to, known, mark });
      isClaimed = true;
      if (await bring(source, target, file)) {
        done.files += 1;
        done.file_bytes += file.bytes;
      } else done.missing_files += 1;
    }
  return done;
}

async function claim(
  source: BlobStore,
  target: BlobStore,
  { from, to, known, mark }: Omit<FilesMove, "pages">,
): Promise<void> {
  if (known !== undefined && (await source.owner()) !== known)
    throw new AdminError(
      `${nameOf(from)} is not the folder of this database's encrypted files`,
      "mount the disk on which they are; `aimessage-server check` says more",
    );
  const owner = await target.owner();
  if (owner === mark) return;
  if (owner !== undefined)
    throw new AdminError(
      `${nameOf(to)} has the encrypted files of another database`,
      "name another place with --files",
    );
  for await (const { id } of target.list())
    throw new AdminError(`${nameOf(to)} has files already, such as ${id}`, "name an empty place with --files");
  await target.claim(mark);
}

async function bring(source: BlobStore, target: BlobStore, { id, bytes }: WholeFile): Promise<boolean> {
  if ((await source.size(id)) !== bytes) return false;
  if ((await target.size(id)) === bytes && (await target.seal(id, bytes))) return true;
  await target.remove(id);
  let offset = 0;
  for await (const piece of source.read(id, 0, bytes)) {
    await target.putPart(id, offset, [piece]);
    offset += piece.length;
  }
  return target.seal(id, bytes);
}
