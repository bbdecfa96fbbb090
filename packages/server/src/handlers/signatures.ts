import { createPublicKey, type KeyObject, verify } from "node:crypto";

/** Keys that were parsed before, for as long as their account is remembered. */
const parsed = new WeakMap<Uint8Array, KeyObject>();

/**
 * Verifies an Ed25519 signature (RFC 8032, section 5.1.7). False for a malformed key or signature. Takes half of a login;
 * handing it to another thread and back costs this one as much.
 */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    return verify(null, message, parse(publicKey), signature);
  } catch {
    return false;
  }
}

function parse(publicKey: Uint8Array): KeyObject {
  const known = parsed.get(publicKey);
  if (known !== undefined) return known;
  const x = Buffer.from(publicKey).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  parsed.set(publicKey, key);
  return key;
}
