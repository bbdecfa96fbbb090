import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from "node:crypto";
import { promisify } from "node:util";
import * as z from "zod/mini";
import { AgentError } from "../errors.ts";
import { isBase64 } from "../protocol/index.ts";

const derive = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

// scrypt (RFC 7914) as OWASP recommends it for passwords: 128 MiB, about half a second.
const COST = { N: 2 ** 17, r: 8, p: 1 };
const KEY_BYTES = 32;
const TAG_BYTES = 16;

const Base64 = z.string().check(z.refine(isBase64));
/** One line of JSON: AES-256-GCM under a key of the passphrase by scrypt; the line without `sealed` is associated data. */
const BackupFile = z.object({
  aimessage_backup: z.literal(1),
  kdf: z.object({
    name: z.literal("scrypt"),
    // Bounds what somebody else's file can make us compute.
    N: z.int().check(z.gte(2), z.lte(2 ** 20)),
    r: z.int().check(z.positive(), z.lte(32)),
    p: z.int().check(z.positive(), z.lte(16)),
    salt: Base64,
  }),
  nonce: Base64,
  sealed: Base64,
});

/** Encrypts a backup's content. */
export async function sealBackup(content: string, passphrase: string): Promise<string> {
  const nonce = randomBytes(12);
  const kdf = { name: "scrypt", ...COST, salt: randomBytes(16).toString("base64") } as const;
  const head = { aimessage_backup: 1, kdf, nonce: nonce.toString("base64") } as const;
  const cipher = createCipheriv("aes-256-gcm", await keyOf(passphrase, kdf), nonce);
  cipher.setAAD(Buffer.from(JSON.stringify(head)));
  const sealed = Buffer.concat([cipher.update(content, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `${JSON.stringify({ ...head, sealed: sealed.toString("base64") })}\n`;
}

/** @throws AgentError bad_backup, wrong_passphrase */
export async function openBackup(file: string, passphrase: string): Promise<string> {
  const parsed = BackupFile.safeParse(parse(file));
  const bytes = Buffer.from(parsed.data?.sealed ?? "", "base64");
  const nonce = Buffer.from(parsed.data?.nonce ?? "", "base64");
  if (!parsed.success || bytes.length < TAG_BYTES || nonce.length !== 12)
    throw new AgentError("bad_backup", "this is no backup of an agent, or it is damaged", {
      hint: "aimessage backup FILE makes one",
    });
  const { sealed: _sealed, ...head } = parsed.data;
  try {
    const decipher = createDecipheriv("aes-256-gcm", await keyOf(passphrase, head.kdf), nonce);
    decipher.setAAD(Buffer.from(JSON.stringify(head)));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new AgentError("wrong_passphrase", "the passphrase is not the one of this backup, or the backup is damaged", {
      hint: "type it again",
      cause,
    });
  }
}

function keyOf(passphrase: string, { N, r, p, salt }: z.output<typeof BackupFile>["kdf"]): Promise<Buffer> {
  const maxmem = 256 * N * r;
  // Unicode has several spellings of one text; what is typed elsewhere shall be the same.
  return derive(passphrase.normalize("NFKC"), Buffer.from(salt, "base64"), KEY_BYTES, { N, r, p, maxmem });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
