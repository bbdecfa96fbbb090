/** A record of what `install` has written where: by it `uninstall` gives back a file byte for byte that nobody has changed since. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { asOwnerOf, writeWhole } from "@aimessage/sdk/program";
import * as z from "zod/mini";
import type { Edit } from "./edit.ts";

const Edits = z.array(z.object({ at: z.int().check(z.nonnegative()), removed: z.string(), inserted: z.string() }));
const Written = z.object({
  /** SHA-256 of the file as we left it. */
  after: z.string(),
  /** From what it was, one after the other. */
  edits: Edits,
  /** Objects and lists that were not there. */
  made: z.array(z.array(z.string())),
  /** It was not there; with it these folders, outer ones first, were made. */
  created: z.boolean(),
  folders: z.array(z.string()),
});
const Kept = z.extend(Written, { path: z.string() });

/** The work of `install` on one file. */
export interface Written extends Omit<z.infer<typeof Written>, "edits"> {
  edits: Edit[];
}

/** A file for each that was written, in a folder that no agent can have: several `install`s at a time forget nothing of each other's. */
export class InstallRecord {
  readonly #home: string;
  readonly #folder: string;

  /** Of a home of agents. */
  constructor(home: string) {
    this.#home = home;
    this.#folder = join(home, "installed.d");
  }

  /** The work on a file that is as it was left then; undefined of any other. */
  untouched(path: string, text: string): Written | undefined {
    const found = this.of(path);
    return found?.after === digest(text) ? found : undefined;
  }

  /** What cannot be read is not known: what was installed is found in the files then. */
  of(path: string): Written | undefined {
    try {
      const text = asOwnerOf(this.#home, () => readFileSync(this.#fileOf(path), "utf8"));
      const { path: of, ...written } = Kept.parse(JSON.parse(text));
      return of === path ? written : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Does some work on a file, and remembers it, or forgets the file. It is remembered first: where there is no room for that nothing is written,
   * and what is written is known however this ends.
   * @throws what the system says, with `written`, the folder, if it says so of the record
   */
  keep(path: string, written: Written | undefined, work: () => void): void {
    const before = this.of(path);
    if (written !== undefined) this.#save(path, written);
    try {
      work();
    } catch (error) {
      if (written !== undefined) this.#restore(path, before);
      throw error;
    }
    if (written === undefined) this.#forget(path);
  }

  #save(path: string, written: Written): void {
    try {
      asOwnerOf(this.#home, () => {
        mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
        writeWhole(this.#fileOf(path), `${JSON.stringify({ path, ...written }, null, 2)}\n`, { replace: true });
      });
    } catch (error) {
      throw Object.assign(error as Error, { written: this.#folder });
    }
  }

  #restore(path: string, before: Written | undefined): void {
    if (before === undefined) return this.#forget(path);
    try {
      this.#save(path, before);
    } catch {
      // The disk has become full meanwhile. What was installed is found in the file then.
    }
  }

  #forget(path: string): void {
    asOwnerOf(this.#home, () => {
      rmSync(this.#fileOf(path), { force: true });
      try {
        rmdirSync(this.#folder);
      } catch {
        // It has others.
      }
    });
  }

  #fileOf(path: string): string {
    return join(this.#folder, `${digest(path).slice(0, 32)}.json`);
  }
}

export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
