/** Symmetric primitives over node:crypto. Keys are passed as key objects: given bytes, Node 24 takes three times as long. */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from "node:crypto";

const TAG_BYTES = 16;

export function hmac(hash: string, key: Uint8Array, ...data: Uint8Array[]): Buffer {
  const made = createHmac(hash, createSecretKey(key));
  for (const part of data) made.update(part);
  return made.digest();
}

/** HKDF-Expand (RFC 5869, section 2.3). */
export function expand(
  { hash, size }: { hash: string; size: number },
  prk: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  if (length > 255 * size) throw new Error("HKDF gives no more than 255 blocks");
  const output = new Uint8Array(length);
  const secret = createSecretKey(prk);
  let block: Uint8Array | undefined;
  for (let at = 0, counter = 1; at < length; at += size, counter++) {
    const mac = createHmac(hash, secret);
    if (block !== undefined) mac.update(block);
    block = mac.update(info).update(Uint8Array.of(counter)).digest();
    output.set(block.subarray(0, length - at), at);
  }
  return output;
}

/** GCM has nothing left to say at its end: whatever goes in comes out at once. */
export function aesGcm(algorithm: "aes-128-gcm" | "aes-256-gcm") {
  return {
    keyLength: algorithm === "aes-128-gcm" ? 16 : 32,
    nonceLength: 12,
    async encryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, plaintext: Uint8Array) {
      const cipher = createCipheriv(algorithm, createSecretKey(key), nonce);
      if (aad !== undefined) cipher.setAAD(aad);
      const body = cipher.update(plaintext);
      cipher.final();
      return join(body, cipher.getAuthTag());
    },
    async decryptAead(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array | undefined, ciphertext: Uint8Array) {
      if (ciphertext.length < TAG_BYTES) throw new Error("ciphertext is shorter than its tag");
      const decipher = createDecipheriv(algorithm, createSecretKey(key), nonce, { authTagLength: TAG_BYTES });
      if (aad !== undefined) decipher.setAAD(aad);
      decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES));
      const plaintext = decipher.update(ciphertext.subarray(0, -TAG_BYTES));
      decipher.final();
      return plain(plaintext);
    },
  };
}

export function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** A copy that does not share Node's buffer pool, since its owner may wipe it or keep it for long. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
