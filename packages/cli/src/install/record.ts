/** A record of what `install` has written where: by it `uninstall` gives back a file byte for byte that nobody has changed since. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
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

const ATTEMPTS = 5;

/**
 * A file for each work on a file, in a folder that no agent can have: named by what it was done to, and by what came of it, so that several
 * `install`s at a time forget nothing of each other's.
 */
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
    return this.#read(path, nameOf(path, digest(text)));
  }

  /** The last work on a file. What cannot be read is not known: what was installed is found in the files then. */
  of(path: string): Written | undefined {
    return asOwnerOf(this.#home, () => {
      const names = this.#namesOf(path);
      const times = new Map(names.map((name) => [name, statSync(join(this.#folder, name)).mtimeMs]));
      const newest = names.toSorted((a, b) => (times.get(b) ?? 0) - (times.get(a) ?? 0));
      for (const name of newest) {
        const found = this.#read(path, name);
        if (found !== undefined) return found;
      }
      return undefined;
    });
  }

  /**
   * Does some work on a file, and remembers it, or forgets the file. It is remembered first: where there is no room for that nothing is written,
   * and what is written is known however this ends.
   * @throws what the system says, with `written`, the folder, if it says so of the record
   */
  keep(path: string, written: Written | undefined, work: () => void): void {
    const before = written === undefined ? this.#namesOf(path) : this.#nameBefore(path);
    const own = written === undefined ? undefined : nameOf(path, written.after);
    if (written !== undefined) this.#save(path, written);
    try {
      work();
    } catch (error) {
      // Another one may have done the same just now.
      if (own !== undefined && !before.includes(own) && digestOf(path) !== written?.after) this.#forget([own]);
      throw error;
    }
    this.#forget(before.filter((name) => name !== own));
  }

  #nameBefore(path: string): string[] {
    const before = this.of(path);
    return before === undefined ? [] : [nameOf(path, before.after)];
  }

  #namesOf(path: string): string[] {
    try {
      return asOwnerOf(this.#home, () => readdirSync(this.#folder)).filter((name) => name.startsWith(nameOf(path, "")));
    } catch {
      return [];
    }
  }

  #read(path: string, name: string): Written | undefined {
    try {
      const text = asOwnerOf(this.#home, () => readFileSync(join(this.#folder, name), "utf8"));
      const { path: of, ...written } = Kept.parse(JSON.parse(text));
      return of === path ? written : undefined;
    } catch {
      return undefined;
    }
  }

  #save(path: string, written: Written): void {
    try {
      asOwnerOf(this.#home, () => {
        for (let attempt = 1; ; attempt++)
          try {
            mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
            const file = join(this.#folder, nameOf(path, written.after));
            return writeWhole(file, `${JSON.stringify({ path, ...written }, null, 2)}\n`, { replace: true });
          } catch (error) {
            // Another one has just removed the folder, since it was empty.
            if ((error as NodeJS.ErrnoException).code !== "ENOENT" || attempt === ATTEMPTS) throw error;
          }
      });
    } catch (error) {
      throw Object.assign(error as Error, { written: this.#folder });
    }
  }

  #forget(names: readonly string[]): void {
    asOwnerOf(this.#home, () => {
      for (const name of names) rmSync(join(this.#folder, name), { force: true });
      try {
        rmdirSync(this.#folder);
      } catch {
        // It has others.
      }
    });
  }
}

/** `after`: empty for what all of a file begin with. */
function nameOf(path: string, after: string): string {
  return `${digest(path).slice(0, 32)}-${after === "" ? "" : `${after.slice(0, 32)}.json`}`;
}

export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function digestOf(path: string): string | undefined {
  try {
    return digest(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
