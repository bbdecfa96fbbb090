/** Files that are sent: the flags that send, ask and reply have in common. */
import type { FileToSend } from "@aimessage/sdk/node";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { wholePath } from "./files.ts";

export interface FileFlags {
  file?: string[];
}

export function addFileFlags(command: Command): Command {
  return command.option("-f, --file <path...>", "send a file with it, up to 16; -m may be left out then");
}

/** @throws UsageError if a path needs the working folder, and that cannot be named */
export function filesOf({ file = [] }: FileFlags, context: Context): { files?: FileToSend[] } {
  return file.length === 0 ? {} : { files: file.map((path) => wholePath(context, path)) };
}
