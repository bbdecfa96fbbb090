/** Files that are sent: the flags that send, ask and reply have in common, and where those may lie that programs name. */
import type { FilesRoot, FileToSend } from "@aimessage/sdk/node";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { wholePath } from "./files.ts";
import { MOST_FILES } from "./most-files.ts";
import { Repeatable } from "./repeatable.ts";
import { isByProgram } from "./sender.ts";

export interface FileFlags {
  file?: string[];
}

export function addFileFlags(command: Command): Command {
  return command.addOption(
    new Repeatable(
      "-f, --file <path>",
      `repeatable: a file to send with it, up to ${MOST_FILES}; -m may be left out then`,
    ),
  );
}

/**
 * Of a person, or a script, any file that is no agent's; of a program that is known to run for an assistant, or for a message, those below
 * its {@link filesRoot}. @throws UsageError if there are too many, or a path needs the working folder, and that cannot be named; AgentError bad_file
 */
export async function filesOf({ file = [] }: FileFlags, context: Context): Promise<{ files?: FileToSend[] }> {
  if (file.length === 0) return {};
  if (file.length > MOST_FILES)
    throw new UsageError(
      `${file.length} files; ${MOST_FILES} at most`,
      "send some of them with another message, or pack them: tar czf NAME.tgz FILE FILE ...",
    );
  const paths = file.map((path) => wholePath(context, path));
  return { files: isByProgram(context) ? (await filesRoot(context)).files(paths) : paths };
}

export function addRootFlag(command: Command): Command {
  return command.option(
    "--files-root <folder>",
    "files are sent and saved below this folder alone (AIMESSAGE_FILES_ROOT; default: the working folder, unless that is / or the home folder)",
  );
}

/** Where files lie that programs of others name. @throws AgentError usage */
export async function filesRoot(context: Context, flag?: string): Promise<FilesRoot> {
  const { FilesRoot } = await import("@aimessage/sdk/node");
  const { AIMESSAGE_FILES_ROOT: variable = "" } = context.env;
  const named = flag ?? (variable === "" ? undefined : variable);
  return FilesRoot.of({
    named: named === undefined ? undefined : wholePath(context, named),
    cwd: () => context.cwd,
  });
}
