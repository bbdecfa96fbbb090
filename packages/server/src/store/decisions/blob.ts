/** Room for encrypted files: nobody takes it all, and mail is left its part of the disk. [P-14.2] */
import type { Blob, NewBlob } from "../blob-rows.ts";
import type { Refused } from "../store.ts";
import { senderOf } from "./payer.ts";
import type { BlobOwner, Tables } from "./tables.ts";

/** However small, each takes a file of the disk. Bytes. */
export const LEAST_CHARGE = 2 ** 16;

/** Of a disk that is not small mail is left so much more than it must have, at least. Bytes. */
const LEFT_TO_MAIL = 2 ** 28;

/** What is charged for a file. Bytes. */
export function chargeOf(bytes: number): number {
  return Math.max(bytes, LEAST_CHARGE);
}

/** @param id Random, of a new file. */
export function reserveBlob(tables: Tables, blob: NewBlob, { id, now }: { id: string; now: number }): Blob | Refused {
  const { blobs, limits } = tables;
  const owner = senderOf(tables, blob.mailbox);
  if (owner === undefined) return { refused: "device_replaced" };
  if (owner.disabled) return { refused: "account_disabled" };
  const before = blobs.byRequest(owner.name, blob.requestId);
  if (before !== undefined && before.expiresAt > now) {
    const isSame =
      before.bytes === blob.bytes && before.readers === blob.readers && equal(before.readHash, blob.readHash);
    if (!isSame) return { refused: "message_id_reused" };
    blobs.setToken(before.id, blob.tokenHash);
    return { ...before, tokenHash: blob.tokenHash };
  }
  if (blob.bytes > limits.blobBytes) return { refused: "blob_too_large" };
  // Of a disk that is smaller than what files may take there are shares, too: one account must not leave nothing to others.
  const room = blobs.room(owner);
  const left = roomForBlobs(room, blob.free ?? Infinity, limits.reserveBytes);
  if (left - room.awaited < blob.bytes) return { refused: "storage_full" };
  const most = Math.min(limits.blobs, room.all - room.awaited + left);
  if (!fits(tables, owner, chargeOf(blob.bytes), most)) return { refused: "blob_quota" };
  // The file and the room of the one before go with it, when it is removed.
  if (before !== undefined) blobs.endRequest(before.id);
  const expiresAt = now + Math.min(blob.ttl ?? limits.blobAge, limits.blobAge);
  blobs.add(owner, { ...blob, id, expiresAt });
  const { bytes, readers, readHash, tokenHash } = blob;
  return { id, owner: owner.name, bytes, readers, readHash, tokenHash, come: 0, sealed: false, held: false, expiresAt };
}

/** Whoever has much has less of what is left: neither one account nor one address takes it all. */
function fits({ blobs, limits }: Tables, owner: BlobOwner, bytes: number, most: number): boolean {
  const { all, own, here } = blobs.room(owner);
  const mostOfOne = Math.min(limits.accountBlobs, Math.floor((most - (all - own)) / 4));
  return own + bytes <= mostOfOne && here + bytes <= Math.floor((most - (all - here)) / 2);
}

/** Bytes that may come of files while so much of the disk is free. */
export function roomForBlobs(
  { all, awaited }: { all: number; awaited: number },
  free: number,
  reserveBytes: number,
): number {
  return free === Infinity ? Infinity : free - leftToMail(free + all - awaited, reserveBytes);
}

/**
 * What files leave to mail of a disk that has so many bytes for both: clearly more than mail must have, so that it goes on where no files
 * are taken any more. Of a small disk three quarters.
 */
function leftToMail(space: number, reserve: number): number {
  return Math.min(reserve + Math.max(LEFT_TO_MAIL, space / 10), Math.max((reserve * 5) / 4, (space * 3) / 4));
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
