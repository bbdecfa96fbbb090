import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from "node:crypto";
import { promisify } from "node:util";
import * as z from "zod/mini";
import { isBase64 } from "../protocol/index.ts";

// scrypt (RFC 7914) as OWASP recommends it for passwords: 128 MiB, about half a second.
const COST = { N: 2 ** 17, r: 8, p: 1 };
const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Four times our own cost, so that it can be raised later: half a GiB and some seconds. */
const MOST_N = 4 * COST.N;

/** How a key is made of a passphrase. Bounds what a file of somebody else can make us compute. */
export const Kdf = z.object({
  name: z.literal("scrypt"),
  N: z.int().check(
    z.gte(2),
    z.lte(MOST_N),
    z.refine((N) => Number.isInteger(Math.log2(N))),
  ),
  r: z.literal(COST.r),
  p: z.literal(COST.p),
  salt: z.string().check(z.maxLength(64), z.refine(isBase64)),
});
export type Kdf = z.output<typeof Kdf>;

export function newKdf(): Kdf {
  return { name: "scrypt", ...COST, salt: randomBytes(16).toString("base64") };
}

export function keyOf(passphrase: string, { N, r, p, salt }: Kdf): Promise<Buffer> {
  const maxmem = 256 * N * r;
  // Unicode has several spellings of one text; what is typed elsewhere shall be the same.
  const derive = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);
  return derive(passphrase.normalize("NFKC"), Buffer.from(salt, "base64"), KEY_BYTES, { N, r, p, maxmem });
}

/** AES-256-GCM: nonce, ciphertext, tag. */
export function seal(key: Uint8Array, plaintext: Uint8Array, associated: string): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(associated));
  return new Uint8Array(Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
}

/** The plaintext; undefined if the key is another one, or anything was changed. */
export function unseal(key: Uint8Array, sealed: Uint8Array, associated: string): Buffer | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(associated));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
