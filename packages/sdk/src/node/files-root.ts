/** The folder below which files lie that programs of others may send and save: of an assistant, or of a message that is handled. */
import { parse, resolve, sep } from "node:path";
import { realpathSync, statSync } from "node:fs";
import { AgentError } from "../errors.ts";
import type { FileToSend } from "../files/host.ts";
import { isHidden, isInside } from "./bounds.ts";
import { userHome } from "./home.ts";

/** A root, or why there is none: what makes that plain is thrown when somebody needs one. */
export class FilesRoot {
  readonly #root: string | undefined;
  readonly #why: string;

  private constructor(root: string | undefined, why = "") {
    this.#root = root;
    this.#why = why;
  }

  /**
   * One that its owner has named, or the working directory.
   * @throws AgentError usage: a named one is no folder, or would hold too much
   */
  static of({ named, cwd }: { named: string | undefined; cwd: () => string }): FilesRoot {
    if (named !== undefined) {
      const { real, why } = looked(named);
      if (why === undefined) return new FilesRoot(real);
      throw new AgentError("usage", `files cannot be limited to ${named}, which ${why}`, {
        hint: "name a folder for this, below the home folder",
      });
    }
    const { real, why } = looked(cwd);
    const name = real.split(sep).find(isHidden);
    const isBad = why ?? (name === undefined ? undefined : `is in a folder whose name begins with a dot (${name})`);
    return isBad === undefined ? new FilesRoot(real) : new FilesRoot(undefined, isBad);
  }

  /** The whole path of it, by no link; undefined: there is none. */
  get path(): string | undefined {
    return this.#root;
  }

  /** Files to send, by paths that may be relative to the root. @throws AgentError bad_file */
  files(paths: readonly string[]): FileToSend[] {
    const root = this.#given();
    return paths.map((path) => ({ path: resolve(root, path), root }));
  }

  /** A folder to save in, by a path that may be relative to the root; none: the root. @throws AgentError bad_file */
  folder(path = "."): { folder: string; root: string } {
    const root = this.#given();
    return { folder: resolve(root, path), root };
  }

  #given(): string {
    if (this.#root !== undefined) return this.#root;
    throw new AgentError("bad_file", `no file is sent or saved: the working directory ${this.#why}`, {
      reason: "no_root",
      hint: "ask the owner to name a folder for files",
    });
  }
}

/** Where a folder is, by no link, and why it cannot be a root. */
function looked(path: string | (() => string)): { real: string; why?: string } {
  let real: string;
  try {
    real = realpathSync.native(typeof path === "string" ? path : path());
  } catch {
    return { real: "", why: "is not there" };
  }
  const home = userHome();
  if (!statSync(real).isDirectory()) return { real, why: "is no folder" };
  if (real === parse(real).root) return { real, why: "is the root of the file system" };
  if (home !== undefined && isInside(homeReal(home), real)) return { real, why: "is the home folder, or holds it" };
  return { real };
}

function homeReal(home: string): string {
  try {
    return realpathSync.native(home);
  } catch {
    return home;
  }
}
