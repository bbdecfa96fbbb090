/** Where a blob is, by the relay's own URL. [P-14.3] */
export function blobUrl(server: string, blob: string): URL {
  const url = new URL(server.replace(/^ws/, "http"));
  return new URL(`/blobs/${blob}`, url);
}
