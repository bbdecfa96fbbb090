import { hash } from "node:crypto";

/** Of digests so many bytes are kept by relays that share a store, and of ids as many of their hash. */
export const HASH_BYTES = 16;

/** By which a request is known where its id is not kept. */
export function requestHash(kind: string, id: string): Uint8Array {
  return hash("sha256", `${kind} ${id}`, "buffer").subarray(0, HASH_BYTES);
}
