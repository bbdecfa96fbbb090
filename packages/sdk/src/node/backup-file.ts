import * as z from "zod/mini";
import { AgentError } from "../errors.ts";
import { isBase64 } from "../protocol/index.ts";
import { checkNewPassphrase } from "./new-passphrase.ts";
import { Kdf, keyOf, newKdf, seal, unseal } from "./passphrase.ts";

/** One line of JSON: sealed under a key of the passphrase; the line without `sealed` is associated data. */
const BackupFile = z.object({
  aimessage_backup: z.literal(1),
  kdf: Kdf,
  sealed: z.string().check(z.refine(isBase64)),
});

/** Encrypts a backup's content. @throws AgentError weak_passphrase */
export async function sealBackup(content: string, passphrase: string): Promise<string> {
  checkNewPassphrase(passphrase);
  const head = { aimessage_backup: 1, kdf: newKdf() };
  const sealed = seal(await keyOf(passphrase, head.kdf), Buffer.from(content), JSON.stringify(head));
  return `${JSON.stringify({ ...head, sealed: Buffer.from(sealed).toString("base64") })}\n`;
}

/** @throws AgentError bad_backup, wrong_passphrase */
export async function openBackup(file: string, passphrase: string): Promise<string> {
  const parsed = BackupFile.safeParse(parse(file));
  if (!parsed.success)
    throw new AgentError("bad_backup", "this is no backup of an agent, or it is damaged", {
      hint: "aimessage backup FILE makes one",
    });
  const { sealed, ...head } = parsed.data;
  const content = unseal(await keyOf(passphrase, head.kdf), Buffer.from(sealed, "base64"), JSON.stringify(head));
  if (content === undefined)
    throw new AgentError("wrong_passphrase", "the passphrase is not the one of this backup, or the backup is damaged", {
      hint: "give the one that the backup was made with",
    });
  return content.toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
