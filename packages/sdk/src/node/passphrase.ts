import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from "node:crypto";
import { promisify } from "node:util";
import { type Kdf, type Sealer, spelled } from "../crypto/passphrase.ts";

const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function keyOf(passphrase: string, { N, r, p, salt }: Kdf): Promise<Buffer> {
  const maxmem = 256 * N * r;
  const derive = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt);
  return derive(spelled(passphrase), Buffer.from(salt, "base64"), KEY_BYTES, { N, r, p, maxmem });
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

export const nodeSealer: Sealer = { keyOf, seal, unseal };
