/** How encrypted files lie in a folder: a relay's own, or the one beside a backup. */
import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "@aimessage/sdk/program";

/** The file of a relay's folder that says of which database it is. */
export const MARK = "relay_id";

/** There is no such file, or a link in its place. */
const GONE = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** Some file systems of networks sync no folders, and Windows opens none: the system keeps their names when it comes to it. */
const NO_SYNC = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EPERM", "EACCES"]);

/** Each file lies below the first two digits of its id. */
export function blobPath(folder: string, id: string): string {
  return join(folder, id.slice(0, 2), id);
}

/** Whether a folder in that folder is one of files. */
export function isPart(name: string): boolean {
  return /^[0-9a-f]{2}$/.test(name);
}

/** Whether a name in such a folder is a file's id. */
export function isIdIn(part: string, name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name) && name.startsWith(part);
}

/** Whether an error says that there is nothing by that path. */
export function isGone(error: unknown): boolean {
  return GONE.has((error as NodeJS.ErrnoException).code ?? "");
}

/** Marks a folder, which is made if there is none. */
export function writeMark(folder: string, mark: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeWhole(join(folder, MARK), `${mark}\n`, { replace: true });
}

/** Has the disk take the names in a folder, as `syncFolder` of the SDK does, while others get in between. */
export async function syncNames(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!NO_SYNC.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
