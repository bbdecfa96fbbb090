/** Who may log in, and that an account is used. [P-4] */
import { dayOf } from "../days.ts";
import type { Refused } from "../store.ts";
import type { Tables } from "./tables.ts";
import { senderOf } from "./payer.ts";

/** Accepts a login counter that is higher than the last. */
export function login(
  tables: Tables,
  { mailbox, counter }: { mailbox: number; counter: number },
  now: number,
): Refused | undefined {
  const { accounts } = tables;
  const account = senderOf(tables, mailbox);
  if (account?.kind !== "key") return { refused: "device_replaced" };
  if (account.disabled) return { refused: "account_disabled" };
  const { loginCounter } = account.device;
  if (counter <= loginCounter) return { refused: "login_counter", highest: loginCounter };
  const today = dayOf(now);
  // Its row is written once a day.
  const isWritten = account.seen === today && loginCounter > 0;
  accounts.setLogin(isWritten ? account : accounts.setSeen(account, today), counter);
  return undefined;
}

/** Somebody is at work with an account: a token account has logged in, or a device has published keys. */
export function entered(tables: Tables, mailbox: number, now: number): void {
  const account = senderOf(tables, mailbox);
  if (account !== undefined && !hasEntered(tables, mailbox, now)) tables.accounts.setSeen(account, dayOf(now));
}

/** Whether there is nothing of that to be written: a login shall cost no commit for it. */
export function hasEntered(tables: Tables, mailbox: number, now: number): boolean {
  const account = senderOf(tables, mailbox);
  if (account === undefined) return false;
  return account.seen === dayOf(now) && (account.kind === "key" || account.entered);
}
