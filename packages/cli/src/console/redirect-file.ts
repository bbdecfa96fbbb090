/** A file that leads its owner's browser to the console: nobody else can read it, and what it says is of use once. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "@aimessage/sdk/program";

export class RedirectFile implements Disposable {
  readonly path: string;
  readonly #folder: string;

  /** @param home Where agents are: whoever can read that is their owner */
  constructor(home: string) {
    sweep(home);
    this.#folder = mkdtempSync(join(home, `console-${process.pid}-`));
    this.path = join(this.#folder, "console.html");
  }

  /** @param url With the code behind its `#`, which no browser sends to anybody */
  write(url: string): void {
    writeWhole(
      this.path,
      `<!doctype html><meta charset="utf-8"><title>aimessage console</title><meta name="referrer" content="no-referrer">` +
        `<meta http-equiv="refresh" content="0; url=${url}"><p><a href="${url}">Open the console</a></p>\n`,
      { replace: true, mode: 0o600 },
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Removes what consoles that were killed have left. What they said is of no use to anybody. */
function sweep(home: string): void {
  for (const name of readdirSync(home)) {
    const [, pid] = /^console-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(home, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
