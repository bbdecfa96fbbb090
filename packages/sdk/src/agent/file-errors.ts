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

/** Its sender has been told that it is here, or its keys are gone: nobody sends it again by itself. `path`: where it was saved. */
export function noLonger(name: string, path: string | undefined): AgentError {
  if (path === undefined)
    return new AgentError("file_failed", `${name} can be fetched no longer`, {
      reason: "file_expired",
      hint: "ask its sender to send it again",
    });
  return new AgentError("file_failed", `${name} was saved before as ${path}, and is not there any more`, {
    reason: "file_gone",
    hint: "look for it where it was moved to, or ask its sender to send it again",
  });
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
