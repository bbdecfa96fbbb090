import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { readNamed, wholePath, writeNamed } from "./files.ts";

const VARIABLE = "AIMESSAGE_BACKUP_PASSPHRASE";

/** The passphrase of a backup: of a file, of the environment, or typed without being shown, twice if it is `fresh`. */
export async function backupPassphrase(context: Context, file: string | undefined, fresh: boolean): Promise<string> {
  const given =
    file === undefined
      ? context.env[VARIABLE] || undefined
      : (await readNamed(wholePath(context, file))).replace(/\r?\n$/, "");
  const passphrase =
    given ?? (await ask(context, fresh ? "Passphrase for the backup: " : "Passphrase of the backup: "));
  if (passphrase === "" && !fresh) throw new UsageError("the passphrase is empty", "choose one that nobody guesses");
  if (given === undefined && fresh && (await ask(context, "The same again: ")) !== passphrase)
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

async function ask({ stdin, stderr, interrupted }: Context, question: string): Promise<string> {
  if (stdin.isTTY !== true)
    throw new UsageError(
      "a passphrase is required",
      `name a file by --passphrase-file, or set ${VARIABLE}; backup makes one by --generate FILE`,
    );
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: true });
  try {
    stderr.write(question);
    const ended = once(lines, "close").then(() => "");
    return await Promise.race([lines.question("", { signal: interrupted }), ended]);
  } finally {
    stderr.write("\n");
    lines.close();
  }
}
