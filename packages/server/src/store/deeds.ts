import type { Accounts } from "./accounts.ts";
import type { Audit } from "./audit.ts";
import type { Invites } from "./invites.ts";
import type { Deed, DeedDone } from "./store.ts";

interface Parts {
  accounts: Accounts;
  audit: Audit;
  invites: Invites;
  remove: (mailbox: number, release: boolean) => boolean;
}

/** Does what an administrator asks for, and writes it down, also that there was nothing to do. */
export function administer(parts: Parts, deed: Deed): DeedDone {
  const done = decide(parts, deed);
  parts.audit.add(deed, done.outcome);
  return done;
}

function decide({ accounts, invites, remove }: Parts, { what, target, release, invite }: Deed): DeedDone {
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
    if (release) accounts.release(account);
    return { outcome: release ? "done" : "unchanged", mailbox: undefined };
  }
  const { mailbox } = account;
  if (what === "remove") return { outcome: remove(mailbox, release) ? "done" : "unchanged", mailbox };
  const disabled = what === "disable";
  if (account.disabled === disabled) return { outcome: "unchanged", mailbox };
  accounts.setDisabled(account, disabled);
  return { outcome: "done", mailbox };
}
