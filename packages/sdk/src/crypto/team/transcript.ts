/**
 * The order of a team's messages within an epoch, which the relay gives them, as a chain of hashes: members tell each other where theirs stands, and so a
 * relay that shows one of them another order is found out. [P-15.8]
 */
import { equal, lengthPrefixed, usernameKey } from "../../protocol/index.ts";
import { sha256 } from "./fields.ts";

/** A message in its place, also as the stub that stands for one that has expired. */
export interface Placed {
  pos: number;
  /** Any case. */
  sender: string;
  messageId: string;
  /** SHA-256 of the ciphertext. */
  digest: Uint8Array;
}

/** Places of which a member knows the hash. */
export const KNOWN_PLACES = 512;
/** Bytes of a hash that are said to others. */
export const SEEN_BYTES = 16;

/** The bytes whose SHA-256 is h(p). */
export function transcriptBytes(before: Uint8Array, { pos, sender, messageId, digest }: Placed): Uint8Array {
  return lengthPrefixed(before, pos, usernameKey(sender), messageId, digest);
}

/** h(p), from h(p-1): before the first message that is the epoch authenticator. */
export function hashAt(before: Uint8Array, placed: Placed): Promise<Uint8Array> {
  return sha256(transcriptBytes(before, placed));
}

/** Whether what another member has seen at a place is what we have there. */
export function isSameSeen(known: Uint8Array, seen: Uint8Array): boolean {
  return equal(known.slice(0, SEEN_BYTES), seen);
}
