/**
 * What a listener leaves running that dies together with its watchdog, or stands still until its claims have run out: each command that
 * runs has a file in the agent's folder, by which whoever takes its message next ends it first.
 */
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

  /** Forgets of an agent's commands those that have ended, and whose message was settled by others. */
  static sweep(folder: string): void {
    for (const id of asOwnerOf(folder, () => filesIn(join(folder, "commands")))) {
      const leftover = new Leftover(folder, id);
      if (leftover.#group === undefined) leftover.#remove();
    }
  }

  /** Its process group, if that runs: a file is but somebody's word, which may be old, or another user's. */
  get #group(): number | undefined {
    const group = Number(/^[1-9]\d{0,9}$/.exec(this.#read())?.[0] ?? 0);
    return group > 1 && isOf(group, `AIMESSAGE_ID=${this.#id}`) ? group : undefined;
  }

  /** Ends what runs of it still: that says in its own environment which message it is for. @throws what the system says: EPERM ... */
  end(): void {
    const group = this.#group;
    if (group !== undefined) process.kill(-group, "SIGKILL");
    this.#remove();
  }

  /** @throws what the system says: ENOSPC ... */
  note(pid: number): void {
    asOwnerOf(this.#agent, () => {
      mkdirSync(join(this.#agent, "commands"), { recursive: true, mode: 0o700 });
      // A new file: whatever lies there leads nowhere.
      rmSync(this.#file, { force: true });
      writeFileSync(this.#file, String(pid), { mode: 0o600, flag: "wx" });
    });
  }

  /** It has ended. What another listener has begun meanwhile stays noted. */
  forget(pid: number): void {
    if (this.#read() === String(pid)) this.#remove();
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

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No command has run yet.
    return [];
  }
}

/**
 * Whether a process of a group was started with a variable. The first one may have ended: as long as another one is there, nobody else gets
 * the group's id.
 */
function isOf(group: number, variable: string): boolean {
  if (process.platform === "win32") return false;
  if (process.platform === "linux") return readdirSync("/proc").some((pid) => isMember(pid, group, variable));
  // Of other systems `ps` shows the environment behind the command.
  const { stdout } = spawnSync("ps", ["-A", "-E", "-ww", "-o", "pgid=,command="], { encoding: "utf8" });
  return (stdout ?? "").split("\n").some((line) => {
    const [of, ...words] = line.trim().split(/\s+/);
    return Number(of) === group && words.includes(variable);
  });
}

function isMember(pid: string, group: number, variable: string): boolean {
  try {
    // proc_pid_stat(5): behind the name the state, the parent and the group.
    const [, , of] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return Number(of) === group && readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(variable);
  } catch {
    // It has ended meanwhile, or is another user's; or no process.
    return false;
  }
}
