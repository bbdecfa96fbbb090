import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";

export interface SmallDisk extends Disposable {
  readonly path: string;
  /** Takes all its room, but for so many bytes (whole blocks of 4 KiB). */
  fill(leave?: number): void;
  /** Gives the room back. */
  free(): void;
  /** Lets nothing be written any more. */
  freeze(): void;
}

/** A disk of its own, or undefined where this user may not mount one. */
export function smallDisk(size: string): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), "small disk "));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]).status !== 0) {
    remove();
    return undefined;
  }
  const filler = join(path, "filler");
  return {
    path,
    fill(leave = 0) {
      // In ever smaller pieces, so that no block is left.
      for (const piece of [65_536, 4_096, 1])
        try {
          for (;;) appendFileSync(filler, Buffer.alloc(piece));
        } catch (error) {
          expect(error).toMatchObject({ code: "ENOSPC" });
        }
      if (leave > 0) truncateSync(filler, statSync(filler).size - leave);
    },
    free: () => rmSync(filler),
    freeze: () => expect(spawnSync("mount", ["-o", "remount,ro", path])).toMatchObject({ status: 0 }),
    [Symbol.dispose]() {
      spawnSync("umount", ["--lazy", path]);
      remove();
    },
  };
}
