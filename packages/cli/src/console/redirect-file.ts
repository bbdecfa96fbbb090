/** A file that leads its owner's browser to the console: nobody else can read it, and what it says is of use once. */
import { mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "@aimessage/sdk/program";

/** Its folder lies beside those of agents, whose names begin with no dot. */
const FOLDER = ".console-";
const NAME = "console.html";

export class RedirectFile implements Disposable {
  readonly path: string;
  readonly #folder: string;

  /** @param home Where agents are: whoever can read that is their owner */
  constructor(home: string) {
    sweep(home);
    this.#folder = mkdtempSync(join(home, `${FOLDER}${process.pid}-`));
    this.path = join(this.#folder, NAME);
  }

  /** @param links With the code behind their `#`, which no browser sends to anybody: the first is followed, the others are for who cannot */
  write([url = "", ...others]: readonly string[]): void {
    const more = others.map(
      (other) => `<p>If your browser finds no such address: <a href="${other}">open this</a></p>`,
    );
    writeWhole(
      this.path,
      `<!doctype html><meta charset="utf-8"><title>aimessage console</title><meta name="referrer" content="no-referrer">` +
        `<meta http-equiv="refresh" content="0; url=${url}"><p><a href="${url}">Open the console</a></p>${more.join("")}\n`,
      { replace: true, mode: 0o600 },
    );
  }

  [Symbol.dispose](): void {
    remove(this.#folder);
  }
}

/** Removes what consoles that were killed have left. What they said is of no use to anybody. */
function sweep(home: string): void {
  for (const name of readdirSync(home)) {
    const [, pid] = name.startsWith(FOLDER) ? (/^(\d+)-/.exec(name.slice(FOLDER.length)) ?? []) : [];
    if (pid !== undefined && !isRunning(Number(pid))) remove(join(home, name));
  }
}

/** Nothing but what was made here. */
function remove(folder: string): void {
  rmSync(join(folder, NAME), { force: true });
  try {
    rmdirSync(folder);
  } catch {
    // There is something else in it, or it is gone.
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
