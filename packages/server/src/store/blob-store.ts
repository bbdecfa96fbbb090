/** Bytes of a file that are there, whether or not anything is known of it. */
export interface Kept {
  id: string;
  bytes: number;
  /** When it was last written to: Unix milliseconds. */
  writtenAt: number;
}

/**
 * Where the bytes of encrypted files lie. Ids are 32 hex digits. What a promise has written may be lost with the power until the file
 * is sealed. The suite in `@aimessage/server/testing` says the rest.
 */
export interface BlobStore extends AsyncDisposable {
  /** Writes bytes at a place: behind those that are there, or in the place of some that came before. They are the caller's again when it resolves. @throws if fewer are there */
  putPart(id: string, offset: number, bytes: readonly Uint8Array[]): Promise<void>;
  /** Bytes that are there; 0 if nothing is. */
  size(id: string): Promise<number>;
  /** Has the disk take all of it: `bytes`. @returns false if fewer are there */
  seal(id: string, bytes: number): Promise<boolean>;
  /** The bytes from `start` up to `end`, in pieces, each of which is there until the next is asked for. @throws if fewer are there */
  read(id: string, start: number, end: number): AsyncIterable<Uint8Array>;
  /** Removes what is there, if anything is. */
  remove(id: string): Promise<void>;
  /** All that is there, in no order. */
  list(): AsyncIterable<Kept>;
  /** What is sealed is not lost by itself, and it costs something to ask for each: that is found out when somebody fetches it. */
  readonly losesNothing?: boolean;
  /** What holds the mark, in words for an operator. Default: the file of a folder beside the database. */
  readonly markedBy?: string;
  /** The mark that {@link claim} has left where all of them lie; undefined if there is none, as where a disk is not mounted. */
  owner(): Promise<string | undefined>;
  /** Makes the place of all of them, if there is none, and marks it for good. */
  claim(owner: string): Promise<void>;
  /** Bytes for which there is room still. */
  free(): Promise<number>;
}
