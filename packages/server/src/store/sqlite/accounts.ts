import type { DatabaseSync } from "node:sqlite";
import { usernameKey } from "@aimessage/sdk/protocol";
import { BoundedMap } from "../bounded-map.ts";
import type { ClosedMailbox, SeenAccount } from "../decisions/tables.ts";
import type { Owner } from "../decisions/work.ts";
import type { Account, Device, KeyAccount, NewDevice, RemovedAccount, TokenAccount } from "../store.ts";

interface Row {
  name: string;
  username: string;
  kind: Account["kind"];
  mailbox: number | null;
  derived_key: Uint8Array | null;
  identity_key: Uint8Array | null;
  disabled: number | null;
  address: number | null;
  entered: number | null;
  seen: number | null;
}
interface MailboxRow {
  mailbox: number;
  name: string;
  device: string;
  device_key: Uint8Array;
  certificate: Uint8Array;
  counter: number;
  login_counter: number;
  closed: string | null;
}

export type Accounts = ReturnType<typeof accountsTable>;

/** Accounts, their devices, and the mailboxes that belong to them. */
export function accountsTable(db: DatabaseSync) {
  const selectAccount = db.prepare("SELECT * FROM accounts WHERE name = ?");
  const putAccount = db.prepare(
    `INSERT OR REPLACE INTO accounts (name, username, kind, mailbox, derived_key, identity_key, disabled, address, seen)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const setSeen = db.prepare("UPDATE accounts SET seen = ?, entered = 1 WHERE name = ?");
  const closed = db.prepare(
    "SELECT mailbox, name, closed FROM mailboxes WHERE closed IS NOT NULL AND drained IS NULL LIMIT 1",
  );
  const setDrained = db.prepare("UPDATE mailboxes SET drained = 1 WHERE mailbox = ?");
  const setDisabled = db.prepare("UPDATE accounts SET disabled = ? WHERE name = ?");
  const deleteAccount = db.prepare("DELETE FROM accounts WHERE name = ?");
  const selectMailbox = db.prepare("SELECT * FROM mailboxes WHERE mailbox = ?");
  const selectDevice = db.prepare(
    "SELECT * FROM mailboxes WHERE name = ? AND device = ? AND closed IS NOT 'unregistered' ORDER BY mailbox DESC LIMIT 1",
  );
  const insertMailbox = db.prepare(
    "INSERT INTO mailboxes (name, device, device_key, certificate, counter) VALUES (?, ?, ?, ?, ?)",
  );
  const closeMailbox = db.prepare("UPDATE mailboxes SET closed = ? WHERE mailbox = ?");
  const closeAll = db.prepare("UPDATE mailboxes SET closed = 'unregistered', drained = NULL WHERE name = ?");
  const setLogin = db.prepare("UPDATE mailboxes SET login_counter = ? WHERE mailbox = ?");
  const deleteMailbox = db.prepare("DELETE FROM mailboxes WHERE mailbox = ?");
  const surplus = db.prepare(
    `SELECT mailbox FROM mailboxes WHERE name = ? AND closed = 'device_replaced' AND drained = 1
      ORDER BY mailbox DESC LIMIT -1 OFFSET ?`,
  );
  // Those of before the day was written down count as used. A key account is used that has sent, talks, or knows somebody.
  const page = db.prepare(
    `SELECT name, kind, mailbox, seen, iif(seen IS NULL OR (kind = 'token' AND entered = 1), 1,
        EXISTS (SELECT 1 FROM last_requests WHERE sender = a.mailbox) OR
        EXISTS (SELECT 1 FROM members WHERE mailbox = a.mailbox) OR
        EXISTS (SELECT 1 FROM peers WHERE owner = a.name)) AS used
      FROM accounts a WHERE name > ? ORDER BY name LIMIT ?`,
  );

  const accounts = new BoundedMap<string, Account | undefined>();
  const owners = new BoundedMap<number, Owner | undefined>();

  function find(username: string): Account | undefined {
    // Nobody has a longer name: it is not worth remembering, and may be as long as a frame.
    if (username.length > 32) return undefined;
    const name = usernameKey(username);
    if (accounts.has(name)) return accounts.get(name);
    const row = selectAccount.get(name) as Row | undefined;
    const account = row && fromRow(row);
    accounts.set(name, account);
    return account;
  }

  function fromRow(row: Row): Account {
    const { name, username } = row;
    const disabled = row.disabled !== null;
    const address = row.address ?? undefined;
    const seen = row.seen ?? 0;
    if (row.kind === "removed" || row.mailbox === null) return { kind: "removed", name, username, address };
    if (row.kind === "token")
      return {
        kind: "token",
        name,
        username,
        mailbox: row.mailbox,
        entered: row.entered === 1,
        disabled,
        address,
        seen,
        derivedKey: row.derived_key as Uint8Array,
      };
    const device = toDevice(selectMailbox.get(row.mailbox) as unknown as MailboxRow);
    return {
      kind: "key",
      name,
      username,
      mailbox: row.mailbox,
      disabled,
      address,
      seen,
      identityKey: row.identity_key as Uint8Array,
      device,
    };
  }

  function put(account: Account): void {
    putAccount.run(
      account.name,
      account.username,
      account.kind,
      account.kind === "removed" ? null : account.mailbox,
      account.kind === "token" ? account.derivedKey : null,
      account.kind === "key" ? account.identityKey : null,
      account.kind !== "removed" && account.disabled ? 1 : null,
      account.address ?? null,
      account.kind === "removed" ? null : account.seen,
    );
    accounts.set(account.name, account);
  }

  function owner(mailbox: number): Owner | undefined {
    if (owners.has(mailbox)) return owners.get(mailbox);
    const row = selectMailbox.get(mailbox) as MailboxRow | undefined;
    const found = row && { name: row.name, device: row.device, closed: row.closed !== null };
    owners.set(mailbox, found);
    return found;
  }

  function close(mailbox: number, reason: "device_replaced" | "unregistered"): void {
    closeMailbox.run(reason, mailbox);
    owners.delete(mailbox);
  }

  function createMailbox(name: string, device: NewDevice["device"] | undefined): number {
    const { lastInsertRowid } = insertMailbox.run(
      name,
      device?.id ?? "",
      device?.key ?? null,
      device?.certificate ?? null,
      device?.counter ?? 0,
    );
    owners.delete(Number(lastInsertRowid));
    return Number(lastInsertRowid);
  }

  /** The mailbox in which messages for a name wait that nobody has registered. */
  function unknownMailbox(name: string): number | undefined {
    const row = selectDevice.get(name, "") as MailboxRow | undefined;
    return row === undefined || row.closed !== null ? undefined : row.mailbox;
  }

  return {
    find,
    owner,

    forget(): void {
      accounts.clear();
      owners.clear();
    },

    device(username: string, id: string): (Device & { active: boolean }) | undefined {
      const row = selectDevice.get(usernameKey(username), id) as MailboxRow | undefined;
      if (row === undefined || row.device_key === null) return undefined;
      return { ...toDevice(row), active: row.closed === null };
    },

    isUnknown(mailbox: number): boolean {
      const of = owner(mailbox);
      return of !== undefined && of.device === "" && !of.closed && find(of.name)?.kind !== "token";
    },

    forgetMailbox(mailbox: number): void {
      deleteMailbox.run(mailbox);
      owners.delete(mailbox);
    },

    surplusDevices(name: string, kept: number): number[] {
      return (surplus.all(name, kept) as { mailbox: number }[]).map(({ mailbox }) => mailbox);
    },

    after(name: string, limit: number): SeenAccount[] {
      const rows = page.all(name, limit) as unknown as (Row & { mailbox: number; used: number })[];
      return rows.map(({ name: of, mailbox, kind, seen, used }) => ({
        name: of,
        mailbox,
        seen: seen ?? 0,
        used: kind === "removed" || used === 1,
      }));
    },

    mailboxOfUnknown: (username: string) => unknownMailbox(usernameKey(username)),
    addMailboxOfUnknown: (username: string) => createMailbox(usernameKey(username), undefined),

    put,
    createMailbox,
    close,

    setLogin(account: KeyAccount, counter: number): void {
      setLogin.run(counter, account.mailbox);
      accounts.set(account.name, { ...account, device: { ...account.device, loginCounter: counter } });
    },

    setSeen<A extends TokenAccount | KeyAccount>(account: A, day: number): A {
      setSeen.run(day, account.name);
      const seen = { ...account, seen: day, ...(account.kind === "token" ? { entered: true } : {}) };
      accounts.set(account.name, seen);
      return seen;
    },

    setDisabled(account: TokenAccount | KeyAccount, disabled: boolean): void {
      setDisabled.run(disabled ? 1 : null, account.name);
      accounts.set(account.name, { ...account, disabled });
    },

    release({ name }: Pick<RemovedAccount, "name">): void {
      deleteAccount.run(name);
      accounts.delete(name);
    },

    closeAll(name: string): void {
      closeAll.run(name);
      owners.clear();
    },

    nextClosed(): ClosedMailbox | undefined {
      return closed.get() as ClosedMailbox | undefined;
    },

    setDrained(mailbox: number): void {
      setDrained.run(mailbox);
    },
  };
}

function toDevice(row: MailboxRow): Device {
  return {
    id: row.device,
    mailbox: row.mailbox,
    key: row.device_key,
    certificate: row.certificate,
    counter: row.counter,
    loginCounter: row.login_counter,
  };
}
