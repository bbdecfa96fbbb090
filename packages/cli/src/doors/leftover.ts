/**
 * What a listener leaves running that dies together with its watchdog, or stands still until its claims have run out: each command that
 * runs has a file in the agent's folder, by which whoever takes its message next ends it first.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asOwnerOf } from "@aimessage/sdk/program";

/** The command of one message, of whichever listener. */
export class Leftover {
  readonly #folder: string;
  readonly #file: string;

  /** @param folder The agent's. @param id Of the message, as it is known here. */
  constructor(folder: string, id: string) {
    this.#folder = join(folder, "commands");
    this.#file = join(this.#folder, id);
  }

  /**
   * Ends what runs of it still. The id of a process that has ended may be another one's by now: it is told by its start.
   * @throws what the system says: EPERM ...
   */
  end(): void {
    const [pid = "", begun = ""] = this.#read().split(" ", 2);
    if (begun !== "" && begun === startOf(Number(pid))) process.kill(-Number(pid), "SIGKILL");
    this.#remove();
  }

  /** @throws what the system says: ENOSPC ... */
  note(pid: number): void {
    asOwnerOf(join(this.#folder, ".."), () => {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(this.#file, `${pid} ${startOf(pid)}`, { mode: 0o600 });
    });
  }

  /** It has ended. What another listener has begun meanwhile stays noted. */
  forget(pid: number): void {
    if (this.#read().startsWith(`${pid} `)) this.#remove();
  }

  #read(): string {
    try {
      return readFileSync(this.#file, "utf8");
    } catch {
      // Nothing is left of it.
      return "";
    }
  }

  #remove(): void {
    rmSync(this.#file, { force: true });
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
    return process.platform === "linux" || process.platform === "win32" ? "" : startByPs(pid);
  }
}

function startByPs(pid: number): string {
  const { stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  return (stdout ?? "").trim().replaceAll(/\s+/g, "_");
}
