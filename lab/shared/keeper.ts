import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Is told by lines which process is to be ended, or by an empty one that there is none, and does so when nobody can tell it
 * anything any more. PostgreSQL ends at SIGQUIT with all that it has started, in some seconds, and removes its lock file last. Of one
 * that was killed that file is left, and in the system the piece of shared memory that it names.
 */
const SCRIPT = `
lock=$1/data/postmaster.pid
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -CONT "$pid"; kill -QUIT "$pid"
  tries=0
  while [ -e "$lock" ] && [ $tries -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
  kill -KILL "$pid"
fi
if [ -e "$lock" ]; then ipcrm -m "$(sed -n '7s/.* //p' "$lock")"; fi
tries=0
until rm -rf "$1" || [ $tries -eq 100 ]; do sleep 0.05; tries=$((tries + 1)); done
`;

/** Ends a server and removes its folder when this process ends, however it ends: a shell that waits for the end of a pipe. */
export class Keeper implements AsyncDisposable {
  readonly #shell: ChildProcess;
  readonly #gone: Promise<unknown>;

  /** @param folder has the server's own in `data` */
  constructor(folder: string) {
    // What ends the processes of a terminal does not end this one.
    this.#shell = spawn("sh", ["-c", SCRIPT, "keeper", folder], {
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#gone = once(this.#shell, "exit");
    this.#shell.unref();
  }

  /** Names the one process that is to end with this one, or none. */
  keep(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? ""}\n`);
  }

  /** Resolves when everything is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#shell.ref();
    this.#shell.stdin?.end();
    await this.#gone;
  }
}
