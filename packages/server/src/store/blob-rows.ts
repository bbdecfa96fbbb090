import type { Refused } from "./refused.ts";

/** An encrypted file of which somebody asks for room. */
export interface NewBlob {
  /** Mailbox of the device that will upload it. */
  mailbox: number;
  /** The same one of the same account is the same file. */
  requestId: string;
  bytes: number;
  readers: number;
  /** SHA-256 of the tokens by which it is fetched and uploaded: 32 bytes each. */
  readHash: Uint8Array;
  tokenHash: Uint8Array;
  /** Milliseconds; it is kept for `limits.blobAge` at most. */
  ttl: number | undefined;
  /** Bytes of the disk that are free now, if that is known: all shares are of what files may take of them. */
  free?: number | undefined;
}

/** An encrypted file as a relay knows it. */
export interface Blob {
  id: string;
  /** Name of the account that is charged for it, in lower case; empty if that was removed. */
  owner: string;
  bytes: number;
  readers: number;
  readHash: Uint8Array;
  tokenHash: Uint8Array;
  /** Bytes that have come. After a crash fewer may be there. */
  come: number;
  /** All of it is on disk. */
  sealed: boolean;
  /** The relay keeps it for as long as mail names it, and a day longer: nobody else can delete it, and only then it expires. */
  held: boolean;
  /** Unix milliseconds. */
  expiresAt: number;
}

export interface BlobTotals {
  count: number;
  /** That are kept for them. */
  bytes: number;
  /** Those of them that have not come. */
  awaited: number;
}

/** What a relay knows of encrypted files: who has uploaded them, how much has come, by which tokens they are reached. */
export interface BlobRows {
  /**
   * Keeps room for a file, from now on and whether or not it comes. A repeat is the same file with another upload token; if it has
   * ended meanwhile, it is a new one: the one before keeps its room until {@link removeOverdue} tells of it.
   */
  reserve(blob: NewBlob): Promise<Blob | Refused>;
  find(id: string): Promise<Blob | undefined>;
  /** Moves on what has come, if that stands at `from` still. It need not be on disk when this resolves. */
  advance(id: string, from: number, to: number): Promise<boolean>;
  /** Its bytes are on disk, and when this resolves so is that. False: it is gone. */
  seal(id: string): Promise<boolean>;
  /** Removes one: of an account, by its mailbox, or by its upload token, if the relay does not keep it for others; else whatever it is. */
  remove(id: string, by?: number | "token"): Promise<boolean>;
  /** Removes some of those that have expired, or were not finished within a day; returns their ids. */
  removeOverdue(limit: number): Promise<string[]>;
  /** Those of some ids that are known. */
  known(ids: string[]): Promise<Set<string>>;
  /** Some of those that are sealed, in the order of their ids. */
  sealedAfter(id: string, limit: number): Promise<Blob[]>;
  /** Bytes that may come while so much of the disk is free, awaited or not: the rest is for mail. */
  room(free: number): Promise<number>;
  totals(): Promise<BlobTotals>;
  /** The mark of the place where their bytes lie, once it has one. */
  mark(): Promise<string | undefined>;
  /** Keeps a mark, if there is none yet. */
  setMark(mark: string): Promise<void>;
}
