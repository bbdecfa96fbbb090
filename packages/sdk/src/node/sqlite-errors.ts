import { statfsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentError } from "../errors.ts";

// SQLite's own wait blocks the event loop, so it is short, and what is longer is waited for asynchronously.
export const BUSY_MS = 10;
const BUSY_LIMIT_MS = 10_000;

/** Tries again, without blocking, while another process writes. */
export async function patiently(attempt: () => void): Promise<void> {
  for (const deadline = performance.now() + BUSY_LIMIT_MS; ; await sleep(2 + Math.random() * 10)) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
  }
}

interface SystemError {
  code?: string;
  errcode?: number;
}

// Primary result codes of SQLite are the low byte of errcode.
const primary = (error: unknown) => ((error as SystemError | undefined)?.errcode ?? 0) & 0xff;
export const isBusy = (error: unknown) => [5, 6].includes(primary(error));

/** Whether nothing can be written there, be there room or not. */
export function isUnwritable(error: unknown, folder: string): boolean {
  const { code = "" } = error as SystemError;
  return ["EACCES", "EPERM", "EROFS"].includes(code) || ([8, 14].includes(primary(error)) && !isFull(folder));
}

export function readOnly(folder: string, cause?: unknown): AgentError {
  return new AgentError("home_unwritable", `${folder} is read-only here`, {
    hint: "whoami, inbox, status, backup and the lists work; for anything else make it writable",
    cause,
  });
}

/** Our own error for what SQLite or the system reports. */
export function translate(error: unknown, folder: string): unknown {
  if (error instanceof AgentError) return error;
  const { code } = error as SystemError;
  if (
    code === "ENOSPC" ||
    code === "EDQUOT" ||
    primary(error) === 13 ||
    ([10, 14].includes(primary(error)) && isFull(folder))
  )
    return new AgentError("disk_full", `no space left in ${folder}`, {
      hint: "free some space; nothing was lost",
      cause: error,
    });
  if (isBusy(error))
    return new AgentError("store_busy", `another process keeps ${folder} busy`, { hint: "try again", cause: error });
  // Also where its tables are not ours.
  if ([1, 11, 26].includes(primary(error)))
    return new AgentError("store_damaged", `${join(folder, "agent.db")} is damaged`, {
      hint: "restore it from a backup, or move the folder away and register again",
      cause: error,
    });
  if (code === "EROFS" || primary(error) === 8) return readOnly(folder, error);
  if (
    ["EACCES", "EPERM", "ENOENT", "ENOTDIR", "EEXIST", "EINVAL", "EISDIR", "ELOOP"].includes(code ?? "") ||
    [10, 14].includes(primary(error))
  )
    return new AgentError("home_unwritable", `cannot write to ${folder}`, {
      hint: "check its permissions, or name another folder by --home or AIMESSAGE_HOME",
      cause: error,
    });
  return error;
}

/** What SQLite calls an input/output error is a full disk where there is no room for a page: for its -shm it does not say. */
function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < 65_536;
  } catch {
    return false;
  }
}
