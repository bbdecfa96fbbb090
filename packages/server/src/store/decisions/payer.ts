import type { KeyAccount, TokenAccount } from "../store.ts";
import type { Payer, Work } from "./work.ts";

/** The account whose active mailbox this is. */
export function senderOf({ accounts }: Pick<Work, "accounts">, mailbox: number): TokenAccount | KeyAccount | undefined {
  const account = accounts.find(accounts.owner(mailbox)?.name ?? "");
  return account !== undefined && account.kind !== "removed" && account.mailbox === mailbox ? account : undefined;
}

/** The payer of what a sender leaves in another account's mailbox; undefined: it is blocked there. */
export function payerOf(
  { peers }: Pick<Work, "peers">,
  { name, address }: TokenAccount | KeyAccount,
  to: string | undefined,
): Payer | undefined {
  const standing = to === undefined ? "stranger" : peers.standing(to, name);
  return standing === "blocked" ? undefined : { sender: name, address, stranger: standing === "stranger" };
}
