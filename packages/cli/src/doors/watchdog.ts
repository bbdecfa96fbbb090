import { type ChildProcess, spawn } from "node:child_process";

/**
 * Remembers the groups that it is told of by lines, "+ GROUP" and "- GROUP", and ends them when its input does: when whoever
 * started them is gone, however that went. What ends a terminal's processes does not end it before.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
`;

/** Ends the commands of this process when it is killed. */
export class Watchdog implements Disposable {
  #child: ChildProcess | undefined;

  /** A command's process, which leads a group of its own. `known`: from now on it ends with this process. */
  add(pid: number, known: () => void): void {
    this.#child ??= start();
    this.#child.stdin?.write(`+ ${pid}\n`, known);
  }

  remove(pid: number): void {
    this.#child?.stdin?.write(`- ${pid}\n`);
  }

  [Symbol.dispose](): void {
    this.#child?.stdin?.end();
  }
}

function start(): ChildProcess {
  const child = spawn("/bin/sh", ["-c", SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  // Without one the commands run all the same; only after a kill -9 they run on.
  child.on("error", () => undefined);
  child.stdin?.on("error", () => undefined);
  child.unref();
  return child;
}
