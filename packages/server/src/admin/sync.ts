import { closeSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";

/** Has the disk take a file, and the names in its folder. */
export function syncFile(file: string): void {
  for (const path of [file, dirname(file)]) {
    // Windows opens no folders, and keeps their names by itself.
    if (path !== file && process.platform === "win32") return;
    const opened = openSync(path, "r");
    try {
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
  }
}
