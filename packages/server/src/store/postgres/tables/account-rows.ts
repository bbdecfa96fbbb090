import type { BoundedMap } from "../../bounded-map.ts";
import type { Account, Device, KeyAccount, RemovedAccount, TokenAccount } from "../../store.ts";
import type { Box } from "./boxes.ts";
import { tableWrites } from "./columns.ts";

/** A name that is registered, or reserved. */
export interface NameRow {
  name: string;
  username: string;
  kind: Account["kind"];
  mailbox: number | null;
  address: number | null;
}

/** What of a mailbox's device and account never changes. */
export interface DeviceRow {
  mailbox: number;
  device_key: Uint8Array | null;
  certificate: Uint8Array | null;
  counter: number;
  identity_key: Uint8Array | null;
  derived_key: Uint8Array | null;
}

export const names = tableWrites<NameRow>("accounts", ["name"], {
  name: "text",
  username: "text",
  kind: "text",
  mailbox: "bigint",
  address: "bigint",
});
export const devices = tableWrites<DeviceRow>("devices", ["mailbox"], {
  mailbox: "bigint",
  device_key: "bytea",
  certificate: "bytea",
  counter: "bigint",
  identity_key: "bytea",
  derived_key: "bytea",
});

export const selectDevices = "SELECT * FROM devices WHERE mailbox = ANY ($1::bigint[])";

export type KnownDevices = BoundedMap<number, DeviceRow>;

/** Those of before the day was written down count as used. A key account is used that has sent, talks, or knows somebody. */
export const SEEN = `SELECT a.name, a.mailbox, coalesce(m.seen, 0) AS seen, a.kind = 'removed' OR m.seen = 0 OR (a.kind = 'token' AND m.entered)
    OR m.last_request IS NOT NULL OR (SELECT x.mailbox FROM members x WHERE x.mailbox = a.mailbox AND x.group_id <> ALL ($3::text[]) LIMIT 1) IS NOT NULL
    OR (SELECT p.owner FROM peers p WHERE p.owner = a.name LIMIT 1) IS NOT NULL AS used
  FROM accounts a LEFT JOIN mailboxes m ON m.mailbox = a.mailbox WHERE a.name > $1 ORDER BY a.name LIMIT $2::bigint`;

/** An account with all that never changes of it, to be used when its batch is over. @throws Missing */
export function wholeAccount<A extends TokenAccount | KeyAccount>(account: A): A {
  // What is read when it is asked for is asked for here.
  return account.kind === "key" ? { ...account, device: { ...account.device } } : { ...account };
}

export function deviceOf(
  { mailbox, device, login_counter }: Pick<Box, "mailbox" | "device" | "login_counter">,
  row: DeviceRow,
): Device {
  return {
    id: device,
    mailbox,
    key: row.device_key ?? new Uint8Array(),
    certificate: row.certificate ?? new Uint8Array(),
    counter: row.counter,
    loginCounter: login_counter,
  };
}

/** An account that is read without locks. */
export function accountOfRow(
  row: NameRow & Pick<Box, "device" | "disabled" | "seen" | "entered" | "login_counter"> & Omit<DeviceRow, "mailbox">,
): Account {
  const { name, username, kind, mailbox, disabled, seen } = row;
  const address = row.address ?? undefined;
  if (kind === "removed" || mailbox === null)
    return { kind: "removed", name, username, address } satisfies RemovedAccount;
  const common = { name, username, mailbox, disabled, address, seen };
  if (kind === "token")
    return { kind, ...common, entered: row.entered, derivedKey: row.derived_key ?? new Uint8Array() };
  const device = deviceOf({ mailbox, device: row.device, login_counter: row.login_counter }, { ...row, mailbox });
  return { kind, ...common, identityKey: row.identity_key ?? new Uint8Array(), device };
}

export function numbersOf(rows: { mailbox: number }[]): number[] {
  return rows.map(({ mailbox }) => mailbox);
}
