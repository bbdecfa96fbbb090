/** Files that go with messages: what is known of those that are sent, and of those that are fetched. */

/** A process that works on a file, until when (Unix ms), and its mark, where the store can tell when that has died. */
export interface FileClaim {
  by: string;
  until: number;
  mark?: string;
}

/** A file as whoever sends it gives it. */
export interface GivenFile {
  name: string;
  bytes: number;
  type?: string;
  path: string;
  /** What tells whether it has changed: its size, time and inode. */
  stamp: string;
  /** It is sent only while it lies below this folder. */
  root?: string;
  /** What a stream gave: it is kept for us until it was sent, and let go of then. */
  kept?: true;
}

/**
 * `out-file/<place in the outbox>/<index>`: a file of a message of ours. What is to be done stands besides: `blob/ask/` for room at the
 * relay, or `blob/later/<when, Unix ms>/` if that was refused for now; then `blob/up/` for its bytes, or to let go of what a stream gave;
 * each behind it with the same two numbers. `blob/drop/<blob>` has one deleted.
 */
export interface OutFileRecord extends GivenFile {
  seq: number;
  index: number;
  /** How many it is for, if not one: as many as were in the team when it was sent. */
  readers?: number;
  /** By which the relay knows a repeat. */
  request_id: string;
  /** Of the encryption, and of whoever fetches it: base64. Fresh for each blob. */
  key: string;
  salt: string;
  prefix: string;
  read_token: string;
  blob?: string;
  /** By which it is uploaded. Missing: the relay has to be asked. */
  token?: string;
  /** Sent at once: by the relay's word, and, where a proxy takes less, by what that has refused. */
  piece_bytes?: number;
  most_bytes?: number;
  /** Until when the relay keeps it: its clock, Unix ms. */
  expires_at?: number;
  /** Segments that may have left, and the SHA-256 of the file up to there (base64): what is sent again has the same bytes. */
  block?: { segments: number; sha256: string };
  /** waits: it is not up yet. fetched: all have it; of a team, who may still come by it and is there. failed: it will never be there. */
  state: "waits" | "up" | "fetched" | "failed";
  /** Of what is up: base64. */
  sha256?: string;
  /** Why it waits, or has failed. */
  reason?: string;
  /** How long asking for room was put off last. Milliseconds. */
  retry_after?: number;
  /** How often it was begun anew, or asked for again, since a relay lost it: until it is up, however much of it comes between. */
  vain?: number;
  /** The most of it that a relay has said to have, of any of its blobs. */
  reached?: number;
  /** It was another one when it was looked at again: the next time is the last. */
  changed?: true;
  /** Its message has left: it was damaged, or had expired, when it was fetched. */
  resent?: true;
  /** The SHA-256 of which its recipient was told then: nothing else is sent in its place. */
  said?: string;
  /** How often it was sent again, since it was damaged or had expired when it was fetched. */
  damaged?: number;
  expired?: number;
  /** The offer that tells where it lies now: its place in the outbox. Missing: its message does. */
  told?: number;
  claim?: FileClaim;
}

/** `in-file/<place in the inbox>/<index>`: a file that is fetched, or was. While a part of it may lie in its folder, `part/` has the same key. */
export interface InFileRecord {
  seq: number;
  index: number;
  /** The blob that it is: another offer may have come since. */
  blob: string;
  folder: string;
  /** The name of the part in that folder. */
  part?: string;
  /** Where it is, whole. */
  path?: string;
  /** Why this blob cannot be had: its sender was told. */
  unfetched?: "file_expired" | "file_damaged";
  /** When something of it came last (Unix ms). */
  at: number;
  claim?: FileClaim;
}
