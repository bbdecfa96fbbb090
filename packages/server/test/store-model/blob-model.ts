import type { WireReason } from "@aimessage/sdk/protocol";
import { DAY } from "./days.ts";

/** Small, so that they are met. */
export const blobLimits = { blobBytes: 300_000, accountBlobs: 400_000, blobs: 2_000_000, blobAge: 15 * DAY };
/** However small, a file counts as so much. */
const LEAST = 65_536;

export interface ModelBlob {
  /** Empty until the store has given one. */
  id: string;
  owner: string;
  /** From where its account was registered; undefined if that is not known. */
  address: string | undefined;
  requestId: string;
  bytes: number;
  readers: number;
  token: Uint8Array;
  come: number;
  sealed: boolean;
  touched: number;
  expires: number;
}

type Asked = Pick<ModelBlob, "owner" | "address" | "requestId" | "bytes" | "readers"> & { ttl: number | undefined };

/** Files, as docs/protocol.md has them, in one map. [P-14.1, P-14.2] */
export class ModelBlobs {
  readonly all = new Map<string, ModelBlob>();

  reserve({ ttl, ...asked }: Asked, now: number): ModelBlob | { refused: WireReason } {
    const { owner, requestId, bytes, readers } = asked;
    const before = [...this.all.values()].find((blob) => blob.owner === owner && blob.requestId === requestId);
    if (before !== undefined && before.expires > now) {
      if (before.bytes !== bytes || before.readers !== readers) return { refused: "message_id_reused" };
      return before;
    }
    // Its room goes with it.
    if (before !== undefined) before.requestId = "";
    if (bytes > blobLimits.blobBytes) return { refused: "blob_too_large" };
    if (!this.#hasRoom(asked)) return { refused: "blob_quota" };
    const expires = now + Math.min(ttl ?? Infinity, blobLimits.blobAge);
    return { ...asked, id: "", token: new Uint8Array(), come: 0, sealed: false, touched: now, expires };
  }

  /** An account has at most a quarter of what the others leave, and an address half. */
  #hasRoom({ owner, address, bytes }: Pick<Asked, "owner" | "address" | "bytes">): boolean {
    const count = (which: (blob: ModelBlob) => boolean): number =>
      [...this.all.values()].filter(which).reduce((sum, blob) => sum + Math.max(LEAST, blob.bytes), 0);
    const isOwn = (blob: ModelBlob): boolean => blob.owner === owner;
    const isHere = (blob: ModelBlob): boolean => (address === undefined ? isOwn(blob) : blob.address === address);
    const more = Math.max(LEAST, bytes);
    const leftToOwner = blobLimits.blobs - count((blob) => !isOwn(blob));
    const leftToAddress = blobLimits.blobs - count((blob) => !isHere(blob));
    return (
      count(isOwn) + more <= Math.min(blobLimits.accountBlobs, leftToOwner / 4) &&
      count(isHere) + more <= leftToAddress / 2
    );
  }

  /** What an account has brought stays when it goes, and is nobody's. */
  disown(owner: string): void {
    for (const blob of this.all.values()) if (blob.owner === owner) blob.owner = "";
  }

  /** @returns those that have ended, or of which nothing has come for a day */
  sweep(now: number): string[] {
    const over = [...this.all.values()].filter(
      ({ expires, sealed, touched }) => expires <= now || (!sealed && touched <= now - DAY),
    );
    for (const { id } of over) this.all.delete(id);
    return over.map(({ id }) => id);
  }
}
