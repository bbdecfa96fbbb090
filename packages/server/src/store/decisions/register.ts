/** Who gets a name, and a device under it. [P-3] */
import { equal, usernameKey } from "@aimessage/sdk/protocol";
import { dayOf } from "../days.ts";
import type { Admission, KeyAccount, NewDevice, Refused, TokenAccount } from "../store.ts";
import type { Tables } from "./tables.ts";

/** A name, and from where it is asked for. */
interface NewName {
  username: string;
  /** As limits count it; empty if that is not known. */
  address: string;
  admission: Admission;
}

/** What a new name is charged to; refused: there is no room for one more from there. */
function admitName(
  { addresses, invites }: Tables,
  { address: from, admission }: NewName,
): { address?: number } | Refused {
  const address = addresses.idOf(from);
  if (!addresses.takesAccount(address)) return { refused: "storage_quota" };
  addresses.countAccount(address, 1);
  invites.use(admission);
  return address === undefined ? {} : { address };
}

export function registerToken(
  tables: Tables,
  { derivedKey, ...asked }: NewName & { derivedKey: Uint8Array },
  now: number,
): TokenAccount | Refused {
  const { accounts, invites, mail } = tables;
  const { username, admission } = asked;
  const objection = invites.objection(admission);
  if (objection !== undefined) return objection;
  if (accounts.find(username) !== undefined) return { refused: "username_taken" };
  const admitted = admitName(tables, asked);
  if ("refused" in admitted) return admitted;
  const name = usernameKey(username);
  const mailbox = accounts.mailboxOfUnknown(username) ?? accounts.createMailbox(name, undefined);
  mail.nameIsKnown(mailbox);
  const common = { name, username, mailbox, disabled: false, address: admitted.address, seen: dayOf(now) };
  const account: TokenAccount = { kind: "token", ...common, entered: false, derivedKey };
  accounts.put(account);
  return account;
}

/** A new key account, a new device of one (`replaced`: the mailbox of the old one), or a repeat of either. */
export function registerDevice(
  tables: Tables,
  registered: NewDevice,
  { admission, now }: { admission: Admission; now: number },
): { account: KeyAccount; replaced: number | undefined } | Refused {
  const { accounts, invites, keyPackages } = tables;
  const { username, identityKey, device } = registered;
  const name = usernameKey(username);
  const known = accounts.find(username);
  const isKnown = known?.kind === "key" && equal(known.identityKey, identityKey);
  // Before it is said whether the name is there.
  const objection = isKnown ? undefined : invites.objection(admission);
  if (objection !== undefined) return objection;
  if (known !== undefined) {
    if (!isKnown) return { refused: "username_taken" };
    if (known.disabled) return { refused: "account_disabled" };
    const current = known.device;
    // A repeat brings nothing new: its packages were stored with the first, or replaced since.
    if (current.id === device.id && equal(current.key, device.key)) return { account: known, replaced: undefined };
    if (device.counter <= current.counter) return { refused: "device_counter", highest: current.counter };
  }
  const admitted = known ?? admitName(tables, { ...registered, admission });
  if ("refused" in admitted) return admitted;
  // Token accounts may have written to a name that is new; a key account cannot read that.
  const waiting = known === undefined ? accounts.mailboxOfUnknown(username) : undefined;
  if (waiting !== undefined) accounts.close(waiting, "unregistered");
  if (known !== undefined) replace(tables, known.mailbox);
  const mailbox = accounts.createMailbox(name, device);
  const account: KeyAccount = {
    kind: "key",
    name,
    username: known?.username ?? username,
    mailbox,
    disabled: false,
    address: admitted.address,
    seen: dayOf(now),
    identityKey,
    device: { ...device, mailbox, loginCounter: 0 },
  };
  accounts.put(account);
  const { keyPackages: packages, lastResort } = registered;
  keyPackages.publish(account, { packages, lastResort, replace: false });
  return { account, replaced: known?.mailbox };
}

function replace({ accounts, keyPackages, groups }: Tables, mailbox: number): void {
  accounts.close(mailbox, "device_replaced");
  keyPackages.removeAll(mailbox);
  groups.lapseAll(mailbox);
}
