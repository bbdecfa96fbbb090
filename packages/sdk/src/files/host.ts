/** What files need of a runtime: files themselves, HTTP, and faster cryptography. */
import type { CipherOf } from "../crypto/streaming.ts";
import type { GivenFile } from "../records/file-records.ts";

/**
 * A file to be sent: a path, or what a stream gives. `type` is a media type; `bytes`, how many a stream will give, lets what has no room be
 * refused before anything of it is kept. With `root` it is sent only if it lies below that folder, in no
 * folder whose name begins with a dot, and not outside by way of a link: for paths that a model has given.
 */
export type FileToSend =
  | string
  | { path: string; name?: string; type?: string; root?: string }
  | { stream: AsyncIterable<Uint8Array>; name: string; type?: string; bytes?: number };

/** How far a file is. */
export interface FileProgress {
  /** Id of its message, and which of its files it is, from 0. */
  message: string;
  file: number;
  name: string;
  direction: "up" | "down";
  /** Bytes that have gone or come, and all. */
  done: number;
  bytes: number;
}

/** SHA-256 of what comes piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Of what has come so far; more may come. 32 bytes. */
  digest(): Uint8Array;
}

/** A file that is sent. */
export interface FileSource extends AsyncDisposable {
  readonly bytes: number;
  /** What tells whether it has changed, as it is now. */
  stamp(): Promise<string>;
  /** The bytes from `at` on: as many as `into` holds, or fewer at the end. @returns how many */
  read(at: number, into: Uint8Array): Promise<number>;
}

/** A file that is saved, under a name of its own until it is whole. */
export interface FileTarget extends AsyncDisposable {
  /** By which another process goes on with it. */
  readonly part: string;
  readonly bytes: number;
  /** Where it is, if a process before has given it its name. */
  readonly finished: string | undefined;
  read(from: number, to: number, into?: Uint8Array): Promise<Uint8Array>;
  write(at: number, bytes: Uint8Array): Promise<void>;
  truncate(bytes: number): Promise<void>;
  /** Gives it its name, or the next that is free, and tells `record` before the part is gone. @returns the whole path */
  finish(record?: (path: string) => unknown): Promise<string>;
  discard(): Promise<void>;
  close(): Promise<void>;
}

/** One request. What is sent is let go of when the next piece is asked for but one. */
export interface HttpRequest {
  method: "HEAD" | "PATCH" | "GET";
  headers: Record<string, string>;
  body?: AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  status: number;
  /** By names in lower case. */
  headers: Record<string, string | undefined>;
  /** Each piece is there until the next is asked for. */
  body: AsyncIterable<Uint8Array>;
}

/** What a runtime does for files. */
export interface FileHost {
  readonly cipherOf: CipherOf;
  hasher(): Hasher;
  /** Looks at files to be sent; what a stream gives is kept until it was sent. @throws AgentError bad_file (missing: there is none), disk_full; what the system says of one that may be read another time */
  look(files: readonly FileToSend[]): Promise<GivenFile[]>;
  /** What `look` has kept is not needed any more; of other files nothing is done. */
  letGo(path: string): Promise<void>;
  /** Lets go of what `look` has kept for messages that never came to be, a while ago. `kept`: paths that are needed. */
  tidy(kept: readonly string[]): Promise<void>;
  /** Opens a file to be sent; undefined if it is not there, or may not be read. @throws what the system says else */
  open(path: string): Promise<FileSource | undefined>;
  /** A folder as it is meant, made if it is not there; with `root` below that, by no link. @throws AgentError bad_file; what the system says */
  folder(folder: string, root: string | undefined): string;
  /** What a part of a file that is called so may be called, which nothing is called yet. */
  newPart(name: string): string;
  /** Begins to save a file in a {@link folder} as that part, or goes on with it. @throws AgentError bad_file; what the system says */
  save(folder: string, name: string, how: { part: string; root: string | undefined }): Promise<FileTarget>;
  /** Removes a part, if it is there. `path`: where its file is, if that is whole, which stays. */
  removePart(folder: string, part: string, path: string | undefined): Promise<void>;
  /** Whether a folder has room for so many more bytes. */
  hasRoom(folder: string, bytes: number): Promise<boolean>;
  /** The folder in which a file lies. */
  folderOf(path: string): string;
  /** Whether a file is there, of so many bytes. */
  isThere(path: string, bytes: number): Promise<boolean>;
  /** @throws AgentError relay_unreachable, aborted */
  request(url: URL, request: HttpRequest): Promise<HttpAnswer>;
  /** Lets go of connections that nothing goes on. */
  close(): void;
}
