import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { readNamed, wholePath, writeNamed } from "./files.ts";
import { ask } from "./prompt.ts";

const VARIABLE = "AIMESSAGE_BACKUP_PASSPHRASE";

/** The passphrase of a backup: of a file, of the environment, or typed without being shown, twice if it is `fresh`. */
export async function backupPassphrase(context: Context, file: string | undefined, fresh: boolean): Promise<string> {
  const given =
    file === undefined
      ? context.env[VARIABLE] || undefined
      : (await readNamed(wholePath(context, file))).replace(/\r?\n$/, "");
  const passphrase =
    given ?? (await typed(context, fresh ? "Passphrase for the backup: " : "Passphrase of the backup: "));
  // Refused before it is asked for again.
  if (fresh) (await import("@aimessage/sdk/node")).checkNewPassphrase(passphrase);
  else if (passphrase === "")
    throw new UsageError("the passphrase is empty", "give the one that the backup was made with");
  if (given === undefined && fresh && (await typed(context, "The same again: ")) !== passphrase)
    throw new UsageError("the two passphrases differ", "type it again");
  return passphrase;
}

/** Makes a passphrase, and leaves it in a new file that only this user can read. @throws UsageError, AgentError disk_full */
export async function generatePassphrase(
  context: Context,
  file: string,
): Promise<{ passphrase: string; path: string }> {
  const path = wholePath(context, file);
  const { newPassphrase } = await import("@aimessage/sdk/node");
  const passphrase = newPassphrase();
  await writeNamed(path, `${passphrase}\n`);
  return { passphrase, path };
}

async function typed(context: Context, question: string): Promise<string> {
  if (context.stdin.isTTY !== true)
    throw new UsageError(
      "a passphrase is required",
      `name a file by --passphrase-file, or set ${VARIABLE}; backup makes one by --generate FILE`,
    );
  return (await ask(context, question, { hidden: true })) ?? "";
}
