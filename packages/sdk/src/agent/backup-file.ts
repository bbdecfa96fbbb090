import * as z from "zod/mini";
import { AgentError } from "../errors.ts";
import { Kdf, newKdf, type Sealer } from "../crypto/passphrase.ts";
import { fromBase64, fromUtf8, isBase64, toBase64, utf8 } from "../protocol/index.ts";
import { checkNewPassphrase } from "./new-passphrase.ts";

/** One line of JSON: sealed under a key of the passphrase; the line without `sealed` is associated data. */
const BackupFile = z.object({
  aimessage_backup: z.literal(1),
  kdf: Kdf,
  sealed: z.string().check(z.refine(isBase64)),
});

/** Encrypts a backup's content. @throws AgentError weak_passphrase */
export async function sealBackup(sealer: Sealer, content: string, passphrase: string): Promise<string> {
  checkNewPassphrase(passphrase);
  const head = { aimessage_backup: 1, kdf: newKdf() };
  const sealed = await sealer.seal(await sealer.keyOf(passphrase, head.kdf), utf8(content), JSON.stringify(head));
  return `${JSON.stringify({ ...head, sealed: toBase64(sealed) })}\n`;
}

/** @throws AgentError bad_backup, wrong_passphrase */
export async function openBackup(sealer: Sealer, file: string, passphrase: string): Promise<string> {
  const parsed = BackupFile.safeParse(parse(file));
  if (!parsed.success)
    throw new AgentError("bad_backup", "this is no backup of an agent, or it is damaged", {
      hint: "aimessage backup FILE makes one",
    });
  const { sealed, ...head } = parsed.data;
  const key = await sealer.keyOf(passphrase, head.kdf);
  const content = await sealer.unseal(key, fromBase64(sealed), JSON.stringify(head));
  const text = content && fromUtf8(content);
  if (text === undefined)
    throw new AgentError("wrong_passphrase", "the passphrase is not the one of this backup, or the backup is damaged", {
      hint: "give the one that the backup was made with",
    });
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
