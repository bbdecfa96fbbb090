import { createHash, hash } from "node:crypto";
import { equal, fromBase64, type FrameBody } from "@aimessage/sdk/protocol";
import type { Blobs } from "./blobs.ts";

/** Whether a file is what a frame says of it: its owner's, whole, as long, with this token and digest. [P-6.10] */
export async function isAsSaid(blobs: Blobs, owner: string, said: Exclude<FrameBody, string>): Promise<boolean> {
  const blob = await blobs.rows.find(said.blob);
  if (blob === undefined || blob.owner !== owner || !blob.sealed || blob.bytes !== said.bytes) return false;
  if (!equal(hash("sha256", fromBase64(said.token), "buffer"), blob.readHash)) return false;
  const digest = createHash("sha256");
  const done = blobs.beginReading(blob.id, () => {});
  try {
    for await (const piece of blobs.store.read(blob.id, 0, blob.bytes)) digest.update(piece);
  } catch {
    // It was removed meanwhile, or the disk has lost it.
    return false;
  } finally {
    done();
  }
  return digest.digest("base64") === said.sha256;
}
