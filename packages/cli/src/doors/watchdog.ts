import { type ChildProcess, spawn } from "node:child_process";

/**
 * Remembers the groups that it begins with, and those that it is told of by lines, "+ GROUP" and "- GROUP", and ends them when its input
 * does: when whoever started them is gone, however that went. What ends a terminal's processes does not end it before.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=" $* "
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
`;
/** One that has not lived so long is replaced after so long: something ends each. Milliseconds. */
const LIVES_MS = 1_000;

/** Ends the commands of this process when it is killed. One that is ended itself is replaced, and told what runs. */
export class Watchdog implements Disposable {
  readonly #groups = new Set<number>();
  #child: ChildProcess | undefined;
  #isOver = false;

  /** A command's process, which leads a group of its own. `known`: from now on it ends with this process. */
  add(pid: number, known: () => void): void {
    this.#child ??= this.#start();
    this.#groups.add(pid);
    this.#child.stdin?.write(`+ ${pid}\n`, known);
  }

  /** One that was never added is none of its: its list would grow by it. */
  remove(pid: number): void {
    if (this.#groups.delete(pid)) this.#child?.stdin?.write(`- ${pid}\n`);
  }

  #start(): ChildProcess {
    const begun = performance.now();
    const child = start(this.#groups);
    child.once("exit", () => {
      this.#child = undefined;
      const again = () => {
        if (!this.#isOver && this.#groups.size > 0) this.#child ??= this.#start();
      };
      setTimeout(again, performance.now() - begun < LIVES_MS ? LIVES_MS : 0).unref();
    });
    return child;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#child?.stdin?.end();
  }
}

/** @param groups It knows them before its first line: whoever starts it may be killed before that is written. */
function start(groups: ReadonlySet<number>): ChildProcess {
  const child = spawn("/bin/sh", ["-c", SCRIPT, "watchdog", ...[...groups].map(String)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Without one the commands run all the same; only after a kill -9 they run on.
  child.on("error", () => undefined);
  child.stdin?.on("error", () => undefined);
  child.unref();
  return child;
}
