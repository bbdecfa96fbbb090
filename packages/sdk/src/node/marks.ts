/** Marks of living processes: a locked file for each, whose lock the system drops the instant that its process dies. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { randomId } from "../protocol/index.ts";
import { PROCESSES } from "./home.ts";
import { type FileLock, lock } from "./link-lock.ts";
import { asOwnerOf } from "./program/owner.ts";

/** The mark of a process. */
export class Mark {
  readonly name: string;
  readonly #file: string;
  readonly #held: FileLock;

  /** @throws if the folder cannot be written */
  constructor(folder: string) {
    this.name = randomId();
    this.#file = fileOf(folder, this.name);
    this.#held = asOwnerOf(folder, () => {
      mkdirSync(join(folder, PROCESSES), { recursive: true, mode: 0o700 });
      sweep(folder);
      return hold(this.#file);
    });
  }

  remove(): void {
    try {
      // While the lock is still ours: it is nobody's file afterwards.
      rmSync(this.#file, { force: true });
    } finally {
      this.#held.close();
    }
  }
}

/** Whether the process of a mark has died, or has let go of it. */
export function isGone(folder: string, name: string): boolean {
  // Somebody's word in a record: it is no path.
  if (!/^[0-9a-f]+$/.test(name)) return true;
  const file = fileOf(folder, name);
  try {
    return asOwnerOf(folder, () => {
      if (existsSync(file)) lock(file).close();
      return true;
    });
  } catch {
    // Somebody has it locked, or may not be asked.
    return false;
  }
}

/** Another process may sweep a file between its making and its lock. */
const ATTEMPTS = 5;

function hold(file: string): FileLock {
  for (let attempt = 1; ; attempt++) {
    try {
      const held = lock(file);
      if (existsSync(file)) return held;
      held.close();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
    if (attempt === ATTEMPTS) throw new Error(`${file} does not stay`);
  }
}

/** Those that were killed have left theirs, which go while nobody else has them locked. */
function sweep(folder: string): void {
  for (const name of readdirSync(join(folder, PROCESSES)))
    try {
      const file = join(folder, PROCESSES, name);
      if (!/^[0-9a-f]+\.db$/.test(name)) continue;
      const held = lock(file);
      rmSync(file, { force: true });
      held.close();
    } catch {
      // It is a living process's, or the next one does it.
    }
}

function fileOf(folder: string, name: string): string {
  return join(folder, PROCESSES, `${name}.db`);
}
