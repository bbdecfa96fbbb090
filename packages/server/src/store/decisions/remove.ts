import type { Tables } from "./tables.ts";
import { senderOf } from "./payer.ts";

/**
 * Removes the account whose active mailbox this is, with what is its own: by its mailbox, since the name may be somebody else's by now, and the
 * device a replaced one. Its name stays reserved unless it is released. @returns whether there was one
 */
export function removeAccount(tables: Tables, mailbox: number, release: boolean): boolean {
  const { accounts, addresses } = tables;
  const account = senderOf(tables, mailbox);
  if (account === undefined) return false;
  const { name, username, address } = account;
  accounts.closeAll(name);
  if (release) {
    addresses.countAccount(address, -1);
    accounts.release(account);
  } else accounts.put({ kind: "removed", name, username, address });
  tables.peers.removeAll(name);
  tables.blobs.disown(name);
  tables.groups.leaveAll(name);
  tables.statements.removeAll(name);
  tables.keyPackages.removeAll(mailbox);
  return true;
}
