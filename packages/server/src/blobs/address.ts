/** Where the encrypted files of several relays lie: what `--files` says. */
export type BlobsAddress = { folder: string };

/** @returns undefined if it is neither a folder nor a bucket */
export function parseBlobs(text: string): BlobsAddress | undefined {
  // A drive of Windows is one letter.
  return text === "" || /^[a-z][a-z0-9+.-]+:/i.test(text) ? undefined : { folder: text };
}
