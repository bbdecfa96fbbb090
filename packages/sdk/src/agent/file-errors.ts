/** Why a file cannot be saved. */
import { AgentError } from "../errors.ts";
import { safeName } from "../files/names.ts";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Whether a folder has no room. The store's own disk is another matter: what has come need not go for that. */
export function isFull(error: unknown): boolean {
  return !(error instanceof AgentError) && FULL.has((error as { code?: string } | undefined)?.code ?? "");
}

/** As the system says it that there is no room. */
export function noRoom(): Error {
  return Object.assign(new Error("there is no room"), { code: "ENOSPC" });
}

/** Whether a file that was saved before is another one now. */
export function isChanged(error: unknown): boolean {
  return error instanceof AgentError && error.reason === "file_changed";
}

export function tooLarge(name: string, { bytes, maxBytes }: { bytes: number; maxBytes: number }): AgentError {
  return new AgentError("file_failed", `${safeName(name)} has ${bytes} bytes, and ${maxBytes} were allowed`, {
    reason: "too_large",
    hint: "save it with a larger limit (--max-file), or leave it",
  });
}

/** What the system says of a folder. */
export function asFailed(error: unknown, folder: string): unknown {
  const { syscall, message } = (error ?? {}) as { syscall?: string; message?: string };
  if (error instanceof AgentError || syscall === undefined) return error;
  return new AgentError("file_failed", `${folder} cannot be written to (${message})`, {
    reason: "unwritable",
    hint: "check its permissions, or choose another folder",
    cause: error,
  });
}

export function full(name: string, cause?: unknown): AgentError {
  return new AgentError("disk_full", `there is no room for ${safeName(name)}`, {
    hint: "free some space, or choose another folder; the message stays as it is",
    cause,
  });
}
