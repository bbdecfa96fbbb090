import { createHash, randomBytes } from "node:crypto";
import { type ClientFrameData, fromBase64 } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** What a client sends at once: lost with a connection at most, and below what most proxies take or hold. [P-14.4] */
const PIECE_BYTES = 8 * 2 ** 20;

/** Room for an encrypted file, and the token by which it is uploaded. [P-14.1] */
export async function blob(
  { store, blobs, config }: Context,
  login: Login,
  { request_id, bytes, readers, read_hash, ttl_ms }: ClientFrameData<"blob">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const readHash = fromBase64(read_hash);
  if (readHash.length !== 32) return refuse("invalid_data");
  if (bytes > config.limits.blobBytes) return refuse("blob_too_large");
  if (!(await blobs.isThere())) return refuse("storage_lost");
  const token = randomBytes(32);
  const reserved = await store.blobs.reserve({
    mailbox: login.mailbox,
    requestId: request_id,
    bytes,
    readers,
    readHash,
    tokenHash: createHash("sha256").update(token).digest(),
    ttl: ttl_ms,
    free: await blobs.store.free(),
  });
  if ("refused" in reserved) return refused(reserved);
  // Whoever has uploaded it so far has no token any more. Answers wait for this one: it waits for no disk.
  blobs.endUpload(reserved.id);
  const offset = await blobs.come(reserved);
  return ack({
    status: "blob",
    blob: reserved.id,
    token: token.toString("base64"),
    offset,
    piece_bytes: PIECE_BYTES,
    expires_at: reserved.expiresAt,
  });
}

/** [P-14.2] */
export async function blobDelete(
  { blobs }: Context,
  login: Login,
  { blob: id }: ClientFrameData<"blob_delete">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  if (!(await blobs.isThere())) return refuse("storage_lost");
  return (await blobs.remove(id, login.mailbox)) ? ack({ status: "blob_deleted", blob: id }) : refuse("unknown_blob");
}
