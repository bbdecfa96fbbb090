/** Who may add to a stock of key packages, and who gets one. */
import type { ClaimedKeys, Refused } from "../store.ts";
import { entered } from "./login.ts";
import { hasSpace } from "./room.ts";
import { payerOf, senderOf } from "./payer.ts";
import type { Published, Tables } from "./tables.ts";

const HOUR_MS = 3_600_000;

export function publishKeys(
  tables: Tables,
  { mailbox, ...published }: Published & { mailbox: number },
  now: number,
): number | Refused {
  const { keyPackages, allowances, limits } = tables;
  const owner = senderOf(tables, mailbox);
  // Packages of a device that was replaced or removed meanwhile would be left over.
  if (owner === undefined) return { refused: "device_replaced" };
  const { packages, lastResort, replace } = published;
  const { name: sender, address } = owner;
  const freed = replace ? keyPackages.bytes(mailbox) : 0;
  const bytes = packages.reduce((sum, { length }) => sum + length, lastResort?.length ?? 0) - freed;
  if (bytes > 0 && !hasSpace(tables, { sender, address }, bytes)) return { refused: "storage_quota" };
  const retryAfterMs = allowances.take(`publish ${sender}`, { most: limits.publishesPerHour, within: HOUR_MS });
  if (retryAfterMs > 0) return { refused: "rate_limited", retryAfterMs };
  // Also of an agent that has listened for months, on one connection, for somebody who writes first.
  entered(tables, mailbox, now);
  return keyPackages.publish({ mailbox, address }, published);
}

interface Claim {
  /** Mailbox of whoever claims. */
  claimant: number;
  username: string;
  another: boolean;
}

export function claimKeys(tables: Tables, { claimant, username, another }: Claim): ClaimedKeys | Refused {
  const { accounts, keyPackages, allowances, limits } = tables;
  const sender = senderOf(tables, claimant);
  if (sender === undefined) return { refused: "device_replaced" };
  const account = accounts.find(username);
  if (account === undefined || account.kind === "removed") return { refused: "unknown_user" };
  if (account.kind === "token") return { refused: "encryption_required" };
  const { mailbox } = account;
  if (mailbox === claimant) return { refused: "self_send" };
  if (sender.disabled || account.disabled) return { refused: "account_disabled" };
  if (payerOf(tables, sender, account.name) === undefined) return { refused: "blocked" };
  const unused = another ? undefined : keyPackages.unusedClaim(claimant, mailbox);
  if (unused !== undefined) return { account, keyPackage: unused, lastResort: false, remaining: undefined };
  const rate = { most: limits.claimsPerHour, within: HOUR_MS };
  const retryAfterMs = allowances.take(`claim ${sender.name} ${account.name}`, rate);
  if (retryAfterMs > 0) return { refused: "rate_limited", retryAfterMs };
  const fresh = keyPackages.take(claimant, mailbox);
  const keyPackage = fresh ?? keyPackages.lastResort(mailbox);
  if (keyPackage === undefined) return { refused: "no_key_packages" };
  return { account, keyPackage, lastResort: fresh === undefined, remaining: keyPackages.count(mailbox) };
}
