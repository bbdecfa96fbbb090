import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Log } from "../log.ts";
import type { BlobStore } from "../store/blob-store.ts";
import type { RelayStore } from "../store/store.ts";
import type { BlobsAddress } from "../config/blobs-address.ts";
import { Blobs } from "./blobs.ts";
import { FolderBlobs } from "./folder-blobs.ts";
import { MemoryBlobs } from "./memory-blobs.ts";
import { BucketBlobs } from "./s3/bucket-blobs.ts";
import { SharedFolder } from "./shared-folder.ts";

interface BlobsParts {
  store: RelayStore;
  /** How many files may stay open. */
  keptOpen: number | undefined;
  clock: () => number;
  log: Log;
  onCarried: (bytes: number) => void;
}

/** The files of several relays. */
export function elsewhere(address: BlobsAddress): BlobStore {
  return "folder" in address ? new SharedFolder(address.folder) : new BucketBlobs(address.bucket);
}

/** The files of a relay, where its configuration has them. */
export function openBlobs(config: Config, { store, keptOpen, ...parts }: BlobsParts): Blobs {
  const failed = (error: unknown): void => blobs.failed(error, "the disk did not take a file: it is brought anew");
  const inFolder = (): BlobStore => new FolderBlobs(join(config.db, "blobs"), keptOpen, failed);
  const beside = (): BlobStore => (config.store === "sqlite" ? inFolder() : new MemoryBlobs());
  const bytes = config.blobStore ?? (config.files === undefined ? beside() : elsewhere(config.files));
  const blobs = new Blobs({ rows: store.blobs, store: bytes, logId: store.logId, ...parts });
  return blobs;
}
