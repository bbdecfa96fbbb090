/** Marks of living processes: a locked file for each, whose lock the system drops the instant that its process dies. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { randomId } from "../protocol/index.ts";
import { PROCESSES } from "./home.ts";
import { lock } from "./link-lock.ts";
import { asOwnerOf } from "./program/owner.ts";

/** The mark of a process. */
export class Mark {
  readonly name: string;
  readonly #file: string;
  readonly #held: DatabaseSync;

  /** @throws if the folder cannot be written */
  constructor(folder: string) {
    this.name = randomId();
    this.#file = fileOf(folder, this.name);
    this.#held = asOwnerOf(folder, () => {
      mkdirSync(join(folder, PROCESSES), { recursive: true, mode: 0o700 });
      return lock(this.#file);
    });
    sweep(folder);
  }

  remove(): void {
    // While the lock is still ours: it is nobody's file afterwards.
    rmSync(this.#file, { force: true });
    this.#held.close();
  }
}

/** Whether the process of a mark has died, or has let go of it. */
export function isGone(folder: string, name: string): boolean {
  const file = fileOf(folder, name);
  if (!existsSync(file)) return true;
  try {
    lock(file).close();
    return true;
  } catch {
    // Somebody has it locked, or may not be asked.
    return false;
  }
}

/** Those that were killed have left theirs. */
function sweep(folder: string): void {
  try {
    for (const file of readdirSync(join(folder, PROCESSES))) {
      const name = file.replace(/\.db$/, "");
      if (/^[0-9a-f]+$/.test(name) && isGone(folder, name)) rmSync(fileOf(folder, name), { force: true });
    }
  } catch {
    // The next one does it.
  }
}

function fileOf(folder: string, name: string): string {
  return join(folder, PROCESSES, `${name}.db`);
}
