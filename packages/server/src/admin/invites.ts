import { createHash, randomBytes } from "node:crypto";
import { toBase32 } from "@aimessage/sdk/protocol";
import type { NewInvite } from "../store/store.ts";
import { openSnapshot } from "./read-only.ts";

/** An invite as it is listed; of itself nothing is known any more. */
export interface Invite {
  id: string;
  uses: number;
  used: number;
  state: "open" | "used_up" | "expired" | "revoked";
  /** Unix milliseconds. */
  created_at: number;
  expires_at: number;
}

/** Makes an invite of 128 random bits, in an alphabet that survives mail and terminals, and an id by which it is named. */
export function newInvite({ uses, expiresMs }: { uses: number; expiresMs: number }, now: number) {
  return {
    id: randomBytes(4).toString("hex"),
    invite: toBase32(randomBytes(16)),
    uses,
    expiresAt: now + expiresMs,
  };
}

/** An invite as the relay keeps it: a hash, and not what it shows. */
export function hashed(invite: string, { uses, expiresAt }: Omit<NewInvite, "hash">): NewInvite {
  return { hash: createHash("sha256").update(invite).digest("hex"), uses, expiresAt };
}

/** All that the relay knows, oldest first. */
export function listInvites(db: string, now: number): Invite[] {
  const database = openSnapshot(db);
  try {
    return database
      .prepare(
        `SELECT id, uses, used, created_at, expires_at, CASE WHEN revoked = 1 THEN 'revoked' WHEN used >= uses THEN 'used_up'
          WHEN expires_at <= ? THEN 'expired' ELSE 'open' END AS state FROM invites ORDER BY created_at, id`,
      )
      .all(now) as unknown as Invite[];
  } finally {
    database.close();
  }
}
