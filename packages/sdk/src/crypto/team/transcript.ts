/**
 * The order of a team's messages within an epoch, which the relay gives them, as a chain of hashes: members tell each other where theirs stands, and so a
 * relay that shows one of them another order is found out. [P-15.8]
 */
import { equal, lengthPrefixed, usernameKey } from "../../protocol/index.ts";
import { sha256 } from "./fields.ts";

/** What is said of a place: the first 16 bytes of its hash. */
export interface Seen {
  epoch: number;
  pos: number;
  hash: Uint8Array;
}

/** A message in its place, also as the stub that stands for one that has expired. */
export interface Placed {
  pos: number;
  /** Any case. */
  sender: string;
  messageId: string;
  /** SHA-256 of the ciphertext. */
  digest: Uint8Array;
}

/** How far one has seen an epoch. A value: what extends it makes another. */
export interface Transcript {
  epoch: number;
  pos: number;
  /** h(pos), 32 bytes; before the first message the epoch authenticator. */
  hash: Uint8Array;
  /** The first 16 bytes of the last hashes; the last one of them is of `pos`. */
  recent: readonly Uint8Array[];
}

/** Places of which a member knows the hash. */
export const KNOWN_PLACES = 512;
const SHORT = 16;

/** That of an epoch in which nothing was seen: h(0) is its authenticator. */
export function startTranscript(epoch: number, authenticator: Uint8Array): Transcript {
  return { epoch, pos: 0, hash: authenticator, recent: [authenticator.slice(0, SHORT)] };
}

/** The bytes whose SHA-256 is h(p). */
export function transcriptBytes(before: Uint8Array, { pos, sender, messageId, digest }: Placed): Uint8Array {
  return lengthPrefixed(before, pos, usernameKey(sender), messageId, digest);
}

/** The transcript with the message in the next place, or undefined if there is a hole before that, or it is a place of before. */
export async function extendTranscript(transcript: Transcript, placed: Placed): Promise<Transcript | undefined> {
  if (placed.pos !== transcript.pos + 1) return undefined;
  const hash = await sha256(transcriptBytes(transcript.hash, placed));
  const recent = [...transcript.recent.slice(1 - KNOWN_PLACES), hash.slice(0, SHORT)];
  return { epoch: transcript.epoch, pos: placed.pos, hash, recent };
}

/** What one says to others of how far it has seen. */
export function seenOf({ epoch, pos, recent }: Transcript): Seen {
  return { epoch, pos, hash: recent.at(-1) ?? new Uint8Array() };
}

/** Whether what another member has seen is what we have: `unknown` if that is of another epoch, ahead of us, or too long ago. */
export function compareSeen(transcript: Transcript, seen: Seen): "same" | "different" | "unknown" {
  const known = transcript.recent[transcript.recent.length - 1 - (transcript.pos - seen.pos)];
  if (seen.epoch !== transcript.epoch || seen.pos > transcript.pos || known === undefined) return "unknown";
  return equal(known, seen.hash) ? "same" : "different";
}
