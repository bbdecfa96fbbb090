import { hash } from "node:crypto";

/** SHA-256 of a request's fields; two requests share it only if they are the same. */
export function digestOf(...fields: unknown[]): Uint8Array {
  return hash("sha256", JSON.stringify(fields), "buffer");
}

export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
