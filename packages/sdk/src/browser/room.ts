/** Whether the browser has room for a file, found out before anything of it is written. */
import { folderAt, type Place } from "./pieces.ts";

/** The largest file that a page keeps. Bytes. */
export const MOST_BYTES = 2 ** 31;
/** Files leave so much to the agent's store: peers choose how much they send. Bytes. */
const LEFT = 2 ** 23;
const PROBE = "room";

/** @param top The folder of the agent's files */
export async function hasRoom(top: Place, bytes: number): Promise<boolean> {
  if (bytes > MOST_BYTES) return false;
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  return quota - usage >= bytes + LEFT && (await takes(top, bytes + LEFT));
}

/** What browsers estimate may be the same for all pages, so that it tells nothing of the machine. What they say of a file that long, of which nothing is written, is true. */
async function takes(top: Place, bytes: number): Promise<boolean> {
  const folder = await folderAt(top, { create: true });
  const probe = await folder.getFileHandle(PROBE, { create: true });
  const output = await probe.createWritable();
  try {
    await output.truncate(bytes);
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === "QuotaExceededError") return false;
    throw error;
  } finally {
    await output.abort().catch(() => undefined);
    await folder.removeEntry(PROBE).catch(() => undefined);
  }
}
