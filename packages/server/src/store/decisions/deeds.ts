import type { Deed, DeedDone } from "../store.ts";
import { removeAccount } from "./remove.ts";
import type { Tables } from "./tables.ts";

/** Does what an administrator asks for, and writes it down, also that there was nothing to do. */
export function administer(tables: Tables, deed: Deed): DeedDone {
  const done = decide(tables, deed);
  tables.audit.add(deed, done.outcome);
  return done;
}

function decide(tables: Tables, { what, target, release, invite }: Deed): DeedDone {
  const { accounts, addresses, invites } = tables;
  // Those are done by the administrator's own process, and only written down here.
  if (what === "backup" || what === "restore") return { outcome: "done", mailbox: undefined };
  if (what === "revoke") return { outcome: invites.revoke(target), mailbox: undefined };
  if (what === "invite") {
    const isNew = invite !== undefined && invites.add(target, invite);
    return { outcome: isNew ? "done" : "unchanged", mailbox: undefined };
  }
  const account = accounts.find(target);
  if (account === undefined) return { outcome: "unknown_user", mailbox: undefined };
  if (account.kind === "removed") {
    if (what !== "remove") return { outcome: "unknown_user", mailbox: undefined };
    if (release) {
      addresses.countAccount(account.address, -1);
      accounts.release(account);
    }
    return { outcome: release ? "done" : "unchanged", mailbox: undefined };
  }
  const { mailbox } = account;
  if (what === "remove") return { outcome: removeAccount(tables, mailbox, release) ? "done" : "unchanged", mailbox };
  const disabled = what === "disable";
  if (account.disabled === disabled) return { outcome: "unchanged", mailbox };
  accounts.setDisabled(account, disabled);
  return { outcome: "done", mailbox };
}
