import { readFile } from "node:fs/promises";
import { UsageError } from "./errors.ts";

const REASONS: Partial<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of it is no folder",
  EISDIR: "it is a folder",
  EACCES: "this user may not",
  EPERM: "this user may not",
  EROFS: "the disk is read-only",
};

/** The text of a file that the user has named. @throws UsageError */
export async function readNamed(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw asUsageError(error, "read", path);
  });
}

/** What the system says of a path that the user has named, as an error of the user's; anything else as it is. */
export function asUsageError(error: unknown, what: "read" | "write", path: string): unknown {
  const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""];
  return reason === undefined ? error : new UsageError(`cannot ${what} ${path}: ${reason}`, "check the path");
}
