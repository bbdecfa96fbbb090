/** Keys that are raw bytes, as key objects: by the DER that goes before them (RFC 8410, RFC 9935). */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** By PKCS #8. */
export function parsePrivate(prefix: Uint8Array, seed: Uint8Array): KeyObject {
  const key = Buffer.concat([prefix, seed]);
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0);
  }
}

/** By SubjectPublicKeyInfo. */
export function parsePublic(prefix: Uint8Array, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "spki" });
}
