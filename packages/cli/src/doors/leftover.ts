/**
 * What a listener leaves running that dies together with its watchdog, or stands still until its claims have run out: each command that
 * runs has a file in the agent's folder, by which whoever takes its message next ends it first.
 */
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asOwnerOf } from "@aimessage/sdk/program";

/** The command of one message, of whichever listener. */
export class Leftover {
  readonly #agent: string;
  readonly #id: string;

  /** @param folder The agent's. @param id Of the message, as it is known here. */
  constructor(folder: string, id: string) {
    this.#agent = folder;
    this.#id = id;
  }

  get #file(): string {
    return join(this.#agent, "commands", this.#id);
  }

  /**
   * Ends what runs of it still. The id of a process that has ended may be another one's by now: it is told by its start. And a file is but
   * somebody's word, who may be another user than this one: what is ended says in its own environment which message it is for.
   * @throws what the system says: EPERM ...
   */
  end(): void {
    const [pid = "", begun = ""] = this.#read().split(" ", 2);
    if (/^[1-9]\d{0,9}$/.test(pid) && begun !== "" && begun === startOf(Number(pid)) && this.#isOf(Number(pid)))
      process.kill(-Number(pid), "SIGKILL");
    this.#remove();
  }

  /** @throws what the system says: ENOSPC ... */
  note(pid: number): void {
    asOwnerOf(this.#agent, () => {
      mkdirSync(join(this.#agent, "commands"), { recursive: true, mode: 0o700 });
      // A new file: whatever lies there leads nowhere.
      rmSync(this.#file, { force: true });
      writeFileSync(this.#file, `${pid} ${startOf(pid)}`, { mode: 0o600, flag: "wx" });
    });
  }

  /** It has ended. What another listener has begun meanwhile stays noted. */
  forget(pid: number): void {
    if (this.#read().startsWith(`${pid} `)) this.#remove();
  }

  #isOf(pid: number): boolean {
    const words = wordsOf(pid);
    return words.includes(`AIMESSAGE_ID=${this.#id}`);
  }

  #read(): string {
    return asOwnerOf(this.#agent, () => {
      try {
        return lstatSync(this.#file).isFile() ? readFileSync(this.#file, "utf8") : "";
      } catch {
        // Nothing is left of it.
        return "";
      }
    });
  }

  #remove(): void {
    asOwnerOf(this.#agent, () => rmSync(this.#file, { force: true }));
  }
}

/** When a process has begun, in a word that no other process of its id shares; empty if there is none. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    // proc_pid_stat(5): the 22nd field, in clock ticks since the boot; the third is the state.
    return state === "Z" ? "" : `${boot}/${fields[18]}`;
  } catch {
    return process.platform === "linux" ? "" : ps("lstart=", pid).replaceAll(/\s+/g, "_");
  }
}

/** The variables with which a process was started. */
function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // Of other systems `ps` shows them behind the command.
    return process.platform === "linux" ? [] : ps("command=", pid).split(" ");
  }
}

function ps(what: string, pid: number): string {
  if (process.platform === "win32") return "";
  const { stdout } = spawnSync("ps", ["-E", "-ww", "-o", what, "-p", String(pid)], { encoding: "utf8" });
  return (stdout ?? "").trim();
}
