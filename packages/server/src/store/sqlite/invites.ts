import type { DatabaseSync } from "node:sqlite";
import { DAY_MS } from "../days.ts";
import type { Admission, NewInvite, Refused } from "../store.ts";

/** An invite that has ended stays in the list for so long. Milliseconds. */
const KEPT_MS = 30 * DAY_MS;

interface Row {
  uses: number;
  used: number;
  expires_at: number;
  revoked: number | null;
}

export type Invites = ReturnType<typeof invitesTable>;

/** Invites, by which names are registered at a relay that does not take everybody. [P-3.8] */
export function invitesTable(db: DatabaseSync, clock: () => number) {
  const insert = db.prepare(
    "INSERT OR IGNORE INTO invites (id, hash, uses, used, created_at, expires_at) VALUES (?, ?, ?, 0, ?, ?)",
  );
  const select = db.prepare("SELECT uses, used, expires_at, revoked FROM invites WHERE hash = ?");
  const known = db.prepare("SELECT 1 FROM invites WHERE id = ?");
  const use = db.prepare("UPDATE invites SET used = used + 1 WHERE hash = ?");
  const revoke = db.prepare("UPDATE invites SET revoked = 1 WHERE id = ? AND revoked IS NULL");
  const forget = db.prepare("DELETE FROM invites WHERE expires_at < ?");

  return {
    /** Why a name that is new may not be registered; undefined if it may. Nothing is used by the question. */
    objection(admission: Admission): Refused | undefined {
      if (admission === "open") return undefined;
      if (admission === "closed") return { refused: "registration_closed" };
      if (admission.invite === undefined) return { refused: "invite_required" };
      const row = select.get(admission.invite) as Row | undefined;
      const isGood = row !== undefined && row.revoked === null && row.used < row.uses && row.expires_at > clock();
      return isGood ? undefined : { refused: "invite_invalid" };
    },

    /** A name was registered: in the transaction in which it is. */
    use(admission: Admission): void {
      if (typeof admission === "object" && admission.invite !== undefined) use.run(admission.invite);
    },

    /** @returns whether there was none with this id or hash before */
    add(id: string, { hash, uses, expiresAt }: NewInvite): boolean {
      return insert.run(id, hash, uses, clock(), expiresAt).changes > 0;
    },

    revoke(id: string): "done" | "unchanged" | "unknown_invite" {
      if (known.get(id) === undefined) return "unknown_invite";
      return revoke.run(id).changes > 0 ? "done" : "unchanged";
    },

    sweep: () => forget.run(clock() - KEPT_MS),
  };
}
