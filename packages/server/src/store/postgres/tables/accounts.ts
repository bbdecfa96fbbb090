import { usernameKey } from "@aimessage/sdk/protocol";
import type { ClosedMailbox, SeenAccount, Tables } from "../../decisions/tables.ts";
import { each, Missing } from "../../decisions/work.ts";
import type { Account, KeyAccount, NewDevice, TokenAccount } from "../../store.ts";
import { type Box, type Boxes, emptyBox, isActive } from "./boxes.ts";
import {
  deviceOf,
  type DeviceRow,
  devices,
  type KnownDevices,
  type NameRow,
  names,
  numbersOf,
  SEEN,
  selectDevices,
} from "./account-rows.ts";
import { isName } from "./names.ts";
import type { Numbers } from "./numbers.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

/** Accounts, their devices, and the mailboxes that belong to them. */
export class Accounts implements Part {
  readonly looks: Record<string, Look>;
  readonly #boxes: Boxes;
  readonly #numbers: Numbers;
  readonly #known: KnownDevices;
  readonly #names = new Rows<string, NameRow>("name");
  readonly #newDevices = new Map<number, DeviceRow>();
  readonly #unknown = new Map<string, number | undefined>();
  readonly #lists = new Map<string, unknown>();
  readonly #gone: number[] = [];
  /** As they are now: each message asks for the same ones. */
  readonly #found = new Map<number, TokenAccount | KeyAccount>();

  constructor(boxes: Boxes, numbers: Numbers, known: KnownDevices) {
    this.#boxes = boxes;
    this.#numbers = numbers;
    this.#known = known;
    this.looks = {
      name: (sql, keys) => this.#readNames(sql, keys),
      devices: async (sql, keys) => {
        for (const row of await sql<DeviceRow>(selectDevices, [keys.map(Number)])) known.set(row.mailbox, row);
      },
      // The lock keeps others from registering the name, or from making its mailbox, meanwhile.
      "new name": async (sql, keys) => {
        const all = keys.toSorted();
        await sql("SELECT pg_advisory_xact_lock(hashtextextended(n, 0)) FROM unnest($1::text[]) n", [all]);
        const rows = await sql<{ name: string; mailbox: number }>(
          "SELECT name, mailbox FROM mailboxes WHERE name = ANY ($1::text[]) AND device = '' AND closed IS NULL",
          [all],
        );
        for (const name of all) this.#unknown.set(name, undefined);
        for (const { name, mailbox } of rows) this.#unknown.set(name, mailbox);
        await this.#readNames(sql, all);
      },
      "mailboxes of": (sql, keys) =>
        this.#list(keys, async (name) =>
          numbersOf(await sql<{ mailbox: number }>("SELECT mailbox FROM mailboxes WHERE name = $1", [name])),
        ),
      device: (sql, keys) =>
        this.#list(keys, async (key) => {
          const [name, id] = valuesOf(key) as [string, string];
          const [found] = await sql<{ mailbox: number; closed: string | null }>(
            `SELECT mailbox, closed FROM mailboxes WHERE name = $1 AND device = $2 AND closed IS DISTINCT FROM 'unregistered'
              ORDER BY mailbox DESC LIMIT 1`,
            [name, id],
          );
          return found;
        }),
      "next closed": (sql, keys) =>
        this.#list(keys, async () => {
          const [found] = await sql<ClosedMailbox>(
            "SELECT mailbox, name, closed FROM mailboxes WHERE closed IS NOT NULL AND NOT drained ORDER BY mailbox LIMIT 1",
            [],
          );
          return found;
        }),
      "surplus devices": (sql, keys) =>
        this.#list(keys, async (key) =>
          numbersOf(
            await sql<{ mailbox: number }>(
              `SELECT mailbox FROM mailboxes WHERE name = $1 AND closed = 'device_replaced' AND drained
                ORDER BY mailbox DESC OFFSET $2::bigint`,
              valuesOf(key),
            ),
          ),
        ),
      "accounts after": (sql, keys) =>
        this.#list(keys, (key) => {
          const [name, limit, ...forgotten] = valuesOf(key);
          return sql<SeenAccount>(SEEN, [name, limit, forgotten]);
        }),
    };
  }

  async #readNames(sql: Parameters<Look>[0], keys: readonly string[]): Promise<void> {
    for (const name of keys) this.#names.learn(name, undefined);
    for (const row of await sql<NameRow>("SELECT * FROM accounts WHERE name = ANY ($1::text[])", [keys]))
      this.#names.learn(row.name, row);
  }

  async #list(keys: string[], read: (key: string) => Promise<unknown>): Promise<void> {
    await Promise.all(keys.map(async (key) => this.#lists.set(key, await read(key))));
  }

  #listed(look: string, key: string): unknown {
    if (!this.#lists.has(key)) throw new Missing(look, key);
    return this.#lists.get(key);
  }

  /** Groups that this batch has forgotten, which are read still: set by the groups. Who was in no other one is unused. */
  forgotten: () => readonly string[] = () => [];

  readonly tables: Tables["accounts"] = {
    find: (username) => (isName(username) ? this.#find(usernameKey(username)) : undefined),
    owner: (mailbox) => {
      const box = this.#boxes.get(mailbox);
      return box && { name: box.name, device: box.device, closed: box.closed !== null };
    },
    mailboxOfUnknown: (username) => this.#mailboxOfUnknown(usernameKey(username)),
    addMailboxOfUnknown: (username) => this.#createMailbox(usernameKey(username), undefined),
    device: (username, id) => {
      const found = this.#listed("device", keyOf(usernameKey(username), id)) as
        | { mailbox: number; closed: string | null }
        | undefined;
      if (found === undefined) return undefined;
      const row = this.#device(found.mailbox);
      return row.device_key === null
        ? undefined
        : { ...deviceOf({ mailbox: found.mailbox, device: id, login_counter: 0 }, row), active: found.closed === null };
    },
    put: (account) => this.#put(account),
    createMailbox: (name, device) => this.#createMailbox(name, device),
    close: (mailbox, reason) => this.#change(mailbox, { closed: reason, drained: false, listener: null }),
    closeAll: (name) => {
      each(this.#listed("mailboxes of", name) as number[], (mailbox) => {
        if (this.#boxes.get(mailbox) !== undefined)
          this.#change(mailbox, { closed: "unregistered", drained: false, listener: null });
      });
    },
    setLogin: ({ mailbox }, counter) => this.#change(mailbox, { login_counter: counter }),
    setSeen: (account, day) => {
      this.#change(account.mailbox, { seen: day, entered: true });
      return this.#find(account.name) as typeof account;
    },
    setDisabled: ({ mailbox }, disabled) => this.#change(mailbox, { disabled }),
    release: ({ name }) => {
      // Of a name without a mailbox there is no other lock.
      if (!this.#unknown.has(name)) throw new Missing("new name", name);
      this.#names.remove(name);
    },
    nextClosed: () => this.#listed("next closed", "next closed") as ClosedMailbox | undefined,
    setDrained: (mailbox) => this.#change(mailbox, { drained: true }),
    isUnknown: (mailbox) => {
      const box = this.#boxes.get(mailbox);
      return box !== undefined && box.device === "" && box.closed === null && box.kind === null;
    },
    forgetMailbox: (mailbox) => {
      if (this.#boxes.get(mailbox) === undefined) return;
      this.#boxes.remove(mailbox);
      this.#gone.push(mailbox);
    },
    surplusDevices: (name, kept) => this.#listed("surplus devices", keyOf(name, kept)) as number[],
    after: (name, limit) => this.#listed("accounts after", keyOf(name, limit, ...this.forgotten())) as SeenAccount[],
  };

  #change(mailbox: number, change: Partial<Box>): void {
    this.#boxes.change(mailbox, change);
    this.#found.delete(mailbox);
  }

  #find(name: string): Account | undefined {
    const box = this.#boxes.activeOf(name);
    if (box !== undefined) {
      const known = this.#found.get(box.mailbox) ?? this.#accountOf(box);
      this.#found.set(box.mailbox, known);
      return known;
    }
    const row = this.#names.get(name);
    if (row === undefined) return undefined;
    if (row.kind === "removed" || row.mailbox === null)
      return { kind: "removed", name, username: row.username, address: row.address ?? undefined };
    // It is there, and not locked yet; or was made the present one of somebody else since.
    const found = this.#boxes.get(row.mailbox);
    return found !== undefined && isActive(found) ? this.#accountOf(found) : undefined;
  }

  /** What never changes is read when it is asked for: most decisions do not. */
  #accountOf(box: Box): TokenAccount | KeyAccount {
    const { mailbox, name, seen, disabled } = box;
    const common = { name, mailbox, username: box.username ?? name, disabled, address: box.address ?? undefined, seen };
    const device = (): DeviceRow => this.#device(mailbox);
    if (box.kind === "token")
      return {
        kind: "token",
        ...common,
        entered: box.entered,
        get derivedKey() {
          return device().derived_key ?? new Uint8Array();
        },
      };
    return {
      kind: "key",
      ...common,
      get identityKey() {
        return device().identity_key ?? new Uint8Array();
      },
      device: {
        id: box.device,
        mailbox,
        loginCounter: box.login_counter,
        get key() {
          return device().device_key ?? new Uint8Array();
        },
        get certificate() {
          return device().certificate ?? new Uint8Array();
        },
        get counter() {
          return device().counter;
        },
      },
    };
  }

  #device(mailbox: number): DeviceRow {
    const row = this.#newDevices.get(mailbox) ?? this.#known.get(mailbox);
    if (row === undefined) throw new Missing("devices", String(mailbox));
    return row;
  }

  #mailboxOfUnknown(name: string): number | undefined {
    if (!this.#unknown.has(name)) throw new Missing("new name", name);
    const mailbox = this.#unknown.get(name);
    const box = mailbox === undefined ? undefined : this.#boxes.get(mailbox);
    return box !== undefined && box.closed === null && box.kind === null ? mailbox : undefined;
  }

  #createMailbox(name: string, device: NewDevice["device"] | undefined): number {
    const mailbox = this.#numbers.mailbox();
    this.#boxes.put(mailbox, emptyBox(mailbox, name, device?.id ?? ""));
    this.#newDevices.set(mailbox, {
      mailbox,
      device_key: device?.key ?? null,
      certificate: device?.certificate ?? null,
      counter: device?.counter ?? 0,
      identity_key: null,
      derived_key: null,
    });
    if (device === undefined) this.#unknown.set(name, mailbox);
    return mailbox;
  }

  #put(account: Account): void {
    const { name, username, kind, address = null } = account;
    if (account.kind === "removed") {
      this.#names.put(name, { name, username, kind, mailbox: null, address });
      return;
    }
    const { mailbox, disabled, seen } = account;
    this.#names.put(name, { name, username, kind, mailbox, address });
    const entered = account.kind === "token" && account.entered;
    this.#change(mailbox, { username, kind: account.kind, disabled, address, seen, entered });
    const row = this.#newDevices.get(mailbox) ?? {
      mailbox,
      device_key: null,
      certificate: null,
      counter: 0,
      identity_key: null,
      derived_key: null,
    };
    this.#newDevices.set(
      mailbox,
      account.kind === "token"
        ? { ...row, derived_key: account.derivedKey }
        : { ...row, identity_key: account.identityKey },
    );
  }

  undo(): void {
    this.#names.undo();
    for (const { mailbox } of this.#newDevices.values()) this.#forgetNew(mailbox);
    this.#newDevices.clear();
    this.#found.clear();
    this.#gone.length = 0;
  }

  /** A mailbox that was made for a name is none that was read. */
  #forgetNew(mailbox: number): void {
    for (const [name, made] of this.#unknown) if (made === mailbox) this.#unknown.set(name, undefined);
  }

  write(send: Send): void {
    const rows = this.#names.kept;
    if (rows.length > 0) send(names.upsert, names.values(rows));
    const released = [...this.#names.made].filter(([, row]) => row === undefined).map(([name]) => name);
    if (released.length > 0) send("DELETE FROM accounts WHERE name = ANY ($1::text[])", [released]);
    if (this.#gone.length > 0) send("DELETE FROM devices WHERE mailbox = ANY ($1::bigint[])", [this.#gone]);
    if (this.#newDevices.size > 0) send(devices.upsert, devices.values([...this.#newDevices.values()]));
  }

  committed(): void {
    // What waits for a name that nobody has becomes somebody's, perhaps at another relay.
    for (const [mailbox, row] of this.#newDevices)
      if (row.device_key !== null || row.derived_key !== null) this.#known.set(mailbox, row);
  }
}
