/** A record of what `install` has written where: by it `uninstall` gives back a file byte for byte that nobody has changed since. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
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
const All = z.record(z.string(), Written);

/** The work of `install` on one file. */
export interface Written extends Omit<z.infer<typeof Written>, "edits"> {
  edits: Edit[];
}

export class InstallRecord {
  readonly #path: string;
  readonly #files: Record<string, Written>;

  /** Of a home of agents. One that cannot be read is none: what was installed is found in the files then. */
  constructor(home: string) {
    this.#path = join(home, "installed.json");
    this.#files = read(this.#path);
  }

  /** The work on a file that is as it was left then; undefined of any other. */
  untouched(path: string, text: string): Written | undefined {
    const found = this.of(path);
    return found?.after === digest(text) ? found : undefined;
  }

  of(path: string): Written | undefined {
    return Object.hasOwn(this.#files, path) ? this.#files[path] : undefined;
  }

  /** Remembers it, or forgets the file. */
  save(path: string, written: Written | undefined): void {
    if (written === undefined) delete this.#files[path];
    else this.#files[path] = written;
    const home = dirname(this.#path);
    asOwnerOf(home, () => {
      if (Object.keys(this.#files).length === 0) return rmSync(this.#path, { force: true });
      mkdirSync(home, { recursive: true, mode: 0o700 });
      writeWhole(this.#path, `${JSON.stringify(this.#files, null, 2)}\n`, { replace: true });
    });
  }
}

export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function read(path: string): Record<string, Written> {
  try {
    return All.parse(JSON.parse(asOwnerOf(dirname(path), () => readFileSync(path, "utf8"))));
  } catch {
    return {};
  }
}
