import { type Bucket, parseBucket } from "./bucket.ts";

/** Where the encrypted files of several relays lie: what `--files` says. */
export type BlobsAddress = { folder: string } | { bucket: Bucket };

/**
 * @returns undefined if it is neither a folder nor a bucket
 * @throws BucketError
 */
export function parseBlobs(text: string, env: Readonly<Record<string, string | undefined>>): BlobsAddress | undefined {
  // A drive of Windows is one letter.
  if (text !== "" && !/^[a-z][a-z0-9+.-]+:/i.test(text)) return { folder: text };
  const bucket = parseBucket(text, env);
  return bucket === undefined ? undefined : { bucket };
}
