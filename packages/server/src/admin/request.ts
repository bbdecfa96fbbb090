import { join } from "node:path";
import * as z from "zod";

/** A request of an administrator's process to the relay: a file that changes its name as it goes. */
export const Request = z.object({
  who: z.string().max(256),
  what: z.enum(["remove", "disable", "enable", "backup", "restore", "invite", "revoke"]),
  target: z.string().max(4096),
  release: z.boolean(),
  invite: z
    .object({ hash: z.string().regex(/^[0-9a-f]{64}$/), uses: z.int().positive(), expiresAt: z.int() })
    .optional(),
  /** Unix milliseconds: from then on nobody waits for it any more, and it is not done. */
  until: z.number(),
});

export const Reply = z.union([
  z.object({ outcome: z.enum(["done", "unchanged", "unknown_user", "unknown_invite"]) }),
  z.object({ failed: z.string() }),
]);
export type Reply = z.infer<typeof Reply>;

/** Where requests are left: inside the folder of the database, which only its owner can enter. */
export function requestsFolder(db: string): string {
  return join(db, "requests");
}

/** A request has one of these names after another: being renamed, it is either withdrawn or taken, and never both. */
export function namesOf(folder: string, id: string) {
  const name = (ending: string): string => join(folder, `${id}.${ending}`);
  return { draft: name("draft"), asked: name("asked"), taken: name("taken"), reply: name("reply") };
}
