import type { DatabaseSync } from "node:sqlite";
import { equal, usernameKey } from "@aimessage/sdk/protocol";
import type { Addresses } from "./addresses.ts";
import { BoundedMap } from "./bounded-map.ts";
import { dayOf } from "./days.ts";
import type { Owner } from "./decisions/work.ts";
import type { Invites } from "./invites.ts";
import type { Account, Admission, Device, KeyAccount, NewDevice } from "./store.ts";
import type { Refused, RemovedAccount, TokenAccount } from "./store.ts";

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
export function accountsTable(db: DatabaseSync, addresses: Addresses, invites: Invites, clock: () => number) {
  const selectAccount = db.prepare("SELECT * FROM accounts WHERE name = ?");
  const putAccount = db.prepare(
    `INSERT OR REPLACE INTO accounts (name, username, kind, mailbox, derived_key, identity_key, disabled, address, seen)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const setSeen = db.prepare("UPDATE accounts SET seen = ?, entered = 1 WHERE name = ?");
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
  const nameIsKnown = db.prepare("UPDATE entries SET unknown = NULL WHERE mailbox = ?");

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

  const today = (): number => dayOf(clock());

  /** A row is written once a day. */
  function enter<A extends TokenAccount | KeyAccount>(account: A, isFirst: boolean): A {
    if (account.seen === today() && !isFirst) return account;
    setSeen.run(today(), account.name);
    const seen = { ...account, seen: today(), ...(account.kind === "token" ? { entered: true } : {}) };
    accounts.set(account.name, seen);
    return seen;
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

    /** Whether a mailbox is that of a name that nobody has registered. */
    isUnknown(mailbox: number): boolean {
      const of = owner(mailbox);
      return of !== undefined && of.device === "" && !of.closed && find(of.name)?.kind !== "token";
    },

    /** Of a name that nobody has, or a device that is gone, once nothing waits in it. */
    forgetMailbox(mailbox: number): void {
      deleteMailbox.run(mailbox);
      owners.delete(mailbox);
    },

    /** Devices of a name that were replaced and have been emptied, but for the newest. */
    surplusDevices(name: string, kept: number): number[] {
      return (surplus.all(name, kept) as { mailbox: number }[]).map(({ mailbox }) => mailbox);
    },

    /** Some accounts behind a name, in order, and whether nothing was ever done with them. */
    after(name: string, limit: number): { name: string; mailbox: number; seen: number; used: boolean }[] {
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

    registerToken(
      username: string,
      derivedKey: Uint8Array,
      from: string,
      admission: Admission,
    ): TokenAccount | Refused {
      const objection = invites.objection(admission);
      if (objection !== undefined) return objection;
      if (find(username) !== undefined) return { refused: "username_taken" };
      const address = addresses.idOf(from);
      if (!addresses.takesAccount(address)) return { refused: "storage_quota" };
      addresses.countAccount(address, 1);
      invites.use(admission);
      const name = usernameKey(username);
      const mailbox = unknownMailbox(name) ?? createMailbox(name, undefined);
      nameIsKnown.run(mailbox);
      const common = { name, username, mailbox, disabled: false, address, seen: today() };
      const account: TokenAccount = { kind: "token", ...common, entered: false, derivedKey };
      put(account);
      return account;
    },

    registerDevice(
      { username, identityKey, device, address: from }: NewDevice,
      admission: Admission,
    ): { account: KeyAccount; replaced: number | undefined; repeat: boolean } | Refused {
      const name = usernameKey(username);
      const known = find(username);
      const isKnown = known?.kind === "key" && equal(known.identityKey, identityKey);
      // Before it is said whether the name is there.
      const objection = isKnown ? undefined : invites.objection(admission);
      if (objection !== undefined) return objection;
      const address = known === undefined ? addresses.idOf(from) : known.address;
      if (known !== undefined) {
        if (!isKnown) return { refused: "username_taken" };
        if (known.disabled) return { refused: "account_disabled" };
        const current = known.device;
        if (current.id === device.id && equal(current.key, device.key))
          return { account: known, replaced: undefined, repeat: true };
        if (device.counter <= current.counter) return { refused: "device_counter", highest: current.counter };
        close(known.mailbox, "device_replaced");
      } else {
        if (!addresses.takesAccount(address)) return { refused: "storage_quota" };
        addresses.countAccount(address, 1);
        invites.use(admission);
        // Token accounts may have written to this name; a key account cannot read that.
        const waiting = unknownMailbox(name);
        if (waiting !== undefined) close(waiting, "unregistered");
      }
      const mailbox = createMailbox(name, device);
      const account: KeyAccount = {
        kind: "key",
        name,
        username: known?.username ?? username,
        mailbox,
        disabled: false,
        address,
        seen: today(),
        identityKey,
        device: { ...device, mailbox, loginCounter: 0 },
      };
      put(account);
      return { account, replaced: known?.kind === "key" ? known.mailbox : undefined, repeat: false };
    },

    login(mailbox: number, counter: number): Refused | undefined {
      const account = find(owner(mailbox)?.name ?? "");
      if (account?.kind !== "key" || account.mailbox !== mailbox) return { refused: "device_replaced" };
      if (account.disabled) return { refused: "account_disabled" };
      const { device } = account;
      if (counter <= device.loginCounter) return { refused: "login_counter", highest: device.loginCounter };
      setLogin.run(counter, mailbox);
      const entered = enter(account, device.loginCounter === 0);
      accounts.set(account.name, { ...entered, device: { ...device, loginCounter: counter } });
      return undefined;
    },

    /** Somebody is at work with an account: a token account has logged in, or a device has published keys. */
    entered(mailbox: number): void {
      const account = find(owner(mailbox)?.name ?? "");
      if (account === undefined || account.kind === "removed" || account.mailbox !== mailbox) return;
      enter(account, account.kind === "token" && !account.entered);
    },

    /** Whether there is nothing of that to be written: a login shall cost no commit for it. */
    hasEntered(mailbox: number): boolean {
      const account = find(owner(mailbox)?.name ?? "");
      return account?.kind === "token" && account.entered && account.seen === today();
    },

    setDisabled(account: TokenAccount | KeyAccount, disabled: boolean): void {
      setDisabled.run(disabled ? 1 : null, account.name);
      accounts.set(account.name, { ...account, disabled });
    },

    /** A name that stayed reserved can be registered again. */
    release({ name, address }: RemovedAccount): void {
      addresses.countAccount(address, -1);
      deleteAccount.run(name);
      accounts.delete(name);
    },

    /** By its mailbox: the name may be somebody else's by now, and the device a replaced one. */
    remove(mailbox: number, release: boolean): boolean {
      const account = find(owner(mailbox)?.name ?? "");
      if (account === undefined || account.kind === "removed" || account.mailbox !== mailbox) return false;
      closeAll.run(account.name);
      owners.clear();
      const { name, username, address } = account;
      if (release) {
        addresses.countAccount(address, -1);
        deleteAccount.run(account.name);
        accounts.delete(account.name);
      } else put({ kind: "removed", name, username, address });
      return true;
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
