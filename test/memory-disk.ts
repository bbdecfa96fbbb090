/**
 * Temporary files of tests lie in memory where the system has a disk there with room: what they store is synced thousands of
 * times, and no test looks whether that survives a power cut. They are gone at the end, whatever a test has left behind.
 */
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const IN_MEMORY = "/dev/shm";
/** What all tests that run at once leave there, several times over. */
const ROOM = 2 ** 30;

export function setup(): () => void {
  const folder = mkdtempSync(join(hasRoom() ? IN_MEMORY : tmpdir(), "aimessage tests "));
  // Some tests are other users.
  chmodSync(folder, 0o1777);
  process.env["TMPDIR"] = folder;
  // The programs are started hundreds of times from their sources.
  process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled");
  // A process that ends just now may still leave what it has compiled.
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}

function hasRoom(): boolean {
  try {
    accessSync(IN_MEMORY, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    return bavail * bsize >= ROOM;
  } catch {
    return false;
  }
}
