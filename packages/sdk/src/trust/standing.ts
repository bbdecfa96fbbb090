/** Whom the owner has written to or accepted, and whom it has blocked. */
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";
import { isNoStranger } from "../records/let-go.ts";
import { letHeldIn, refuseHeld, waits } from "./held.ts";
import { noteKnown } from "./lookalikes.ts";
import type { InboxPolicy } from "../records/consent-records.ts";
import type { PeerStanding } from "../records/tables.ts";

/** The owner says what somebody is to it: that decides about what of it waits for consent, too. */
export async function setStanding(tx: WriteTransaction, username: string, standing: PeerStanding): Promise<void> {
  const before = await standingOf(tx, username);
  if (before === standing) return;
  if (before === undefined) {
    await isNoStranger(tx, username);
    await noteKnown(tx, username);
  }
  if (standing === "allow") await letHeldIn(tx, "consent", username);
  else for (const why of ["consent", "guard"] as const) await refuseHeld(tx, why, username, "blocked");
  await tx.put(`peer/${username}`, standing);
  await tx.put(`peer-due/${username}`, standing);
  await tx.delete(`refused/${username}`);
}

/** The owner has refused what of somebody had waited: it may ask again, and no program writes to it meanwhile. */
export async function refuseRequest(tx: WriteTransaction, username: string): Promise<void> {
  await refuseHeld(tx, "consent", username, "refused");
  await tx.put(`refused/${username}`, "1");
}

/** Whether only a person may write to somebody, since the owner has not said yes, or has said no. */
export async function isForPerson(tx: ReadTransaction, username: string): Promise<"waits" | "refused" | undefined> {
  if (await waits(tx, "consent", username)) return "waits";
  return (await tx.get(`refused/${username}`)) === undefined ? undefined : "refused";
}

/** The owner writes to somebody: that lets it in, unless the owner has blocked it. */
export async function letIn(tx: WriteTransaction, username: string): Promise<void> {
  if ((await standingOf(tx, username)) === undefined) await setStanding(tx, username, "allow");
}

/** Nobody has the name to which the owner has written: it is nothing to whoever takes it later. */
export async function takeBack(tx: WriteTransaction, username: string): Promise<void> {
  if ((await standingOf(tx, username)) !== "allow") return;
  await tx.delete(`peer/${username}`);
  await tx.delete(`peer-due/${username}`);
}

export async function standingOf(tx: ReadTransaction, username: string): Promise<PeerStanding | undefined> {
  return (await tx.get(`peer/${username}`)) as PeerStanding | undefined;
}

/** Who may write to this agent. */
export async function policyOf(tx: ReadTransaction): Promise<InboxPolicy> {
  return ((await tx.get("meta/policy")) ?? "open") as InboxPolicy;
}
