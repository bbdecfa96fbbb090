import { hash } from "node:crypto";

/** SHA-256 of a request's fields; two requests share it only if they are the same. */
export function digestOf(...fields: unknown[]): Uint8Array {
  return hash("sha256", JSON.stringify(fields), "buffer");
}

/** Of one that was kept there may be the first 16 bytes alone. */
export function isSame(kept: Uint8Array, digest: Uint8Array): boolean {
  return Buffer.compare(kept, digest.subarray(0, kept.length)) === 0;
}
