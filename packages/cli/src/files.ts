import { createReadStream } from "node:fs";
import { basename, isAbsolute, resolve } from "node:path";
import { writeWhole } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";

const REASONS: Partial<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of it is no folder",
  EISDIR: "it is a folder",
  EEXIST: "something is in its place",
  ELOOP: "links lead in a circle",
  EFTYPE: "it is no file",
  ENAMETOOLONG: "its name is too long",
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "the disk is read-only",
};

/** A path as it is meant in the working folder. @throws UsageError if it needs one and that cannot be named */
export function wholePath(context: Pick<Context, "cwd">, path: string): string {
  if (isAbsolute(path)) return path;
  const hint = `give the whole path instead of ${path}, such as /home/me/${basename(path)}, or change to another folder`;
  let folder: string;
  try {
    folder = context.cwd;
  } catch {
    throw new UsageError("the working folder was deleted", hint);
  }
  if (folder.includes("\u{fffd}")) throw new UsageError("the working folder's name is no UTF-8 text", hint);
  return resolve(folder, path);
}

/** A backup of a hundred thousand contacts has a third of it. Bytes. */
const MOST_READ = 2 ** 27;

/** The text of a file that the user has named. @throws UsageError */
export async function readNamed(path: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    // In parts: a device, or a pipe, may never end.
    for await (const part of createReadStream(path) as AsyncIterable<Uint8Array>) {
      parts.push(part);
      length += part.length;
      if (length > MOST_READ) throw new UsageError(`cannot read ${path}: it is too large`, "check the path");
    }
  } catch (error) {
    throw asUsageError(error, "read", path);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Writes a file that the user has named, whole or not at all; `replace` if the user may say --force. @throws UsageError, AgentError disk_full */
export async function writeNamed(path: string, content: string, replace?: boolean): Promise<void> {
  try {
    writeWhole(path, content, { replace });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new UsageError(
        `${path} exists already`,
        `choose another file${replace === undefined ? "" : ", or give --force"}`,
      );
    throw await asWriteError(error, path);
  }
}

/** How it stands when a disk had no room for one file. */
const NOTHING_WRITTEN = "free some space, or choose another disk; nothing was written, and what was there is as it was";

/** An error of the system about a file that was to be written, with a way out; any other as it is. */
export async function asWriteError(error: unknown, path: string, hint = NOTHING_WRITTEN): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT") return asUsageError(error, "write", path);
  const { AgentError } = await import("@aimessage/sdk/node");
  return new AgentError("disk_full", `no space left for ${path}`, { hint, cause: error });
}

/** What the system says of a path that the user has named, as an error of the user's; anything else as it is. */
export function asUsageError(error: unknown, what: "read" | "write", path: string): unknown {
  const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""];
  return reason === undefined ? error : new UsageError(`cannot ${what} ${path}: ${reason}`, "check the path");
}
