import { randomBytes } from "node:crypto";
import { closeSync, fdatasync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf } from "@aimessage/sdk/program";
import { usernameKey } from "@aimessage/sdk/protocol";
import { accountsTable } from "./accounts.ts";
import { addressesTable } from "./addresses.ts";
import { auditTable } from "./audit.ts";
import { commit } from "./commit.ts";
import { administer } from "./deeds.ts";
import { GroupCommit, type Sync } from "./group-commit.ts";
import { groupsTable } from "./groups.ts";
import { keyPackagesTable } from "./key-packages.ts";
import { lockFolder, makeFolder, makePrivate } from "./lock.ts";
import { mailTable } from "./mail.ts";
import { migrate } from "./migrations.ts";
import { peersTable } from "./peers.ts";
import { requestsTable } from "./requests.ts";
import { payerOf, send, senderOf } from "./send.ts";
import type { ClaimedKeys, Entry, PeersChange, Refused, RelayStore, StoreLimits } from "./store.ts";
import { sweeper } from "./sweep.ts";

export interface StoreOptions {
  limits: StoreLimits;
  /** Unix milliseconds. Default: the system's clock. */
  clock?: () => number;
  /** Told of each commit's duration in milliseconds. */
  onCommit?: (milliseconds: number) => void;
  /** The database was restored from a backup: its logs get a new id, since clients may know entries that it does not. */
  restored?: boolean;
  /** How long to wait, blocking, for a folder or a database that another process holds. Milliseconds. */
  lockPatienceMs?: number;
  /** Largest size of the database in pages of 4096 bytes: a small disk, for tests. */
  maxPages?: number;
}

/**
 * Opens the store in a folder, making it if there is none. Only one relay at a time can. Root opens it as the folder's owner.
 * @throws NewerSchemaError, FolderLockedError, or what the file system says.
 */
export function openSqliteStore(folder: string, options: StoreOptions): RelayStore {
  return asOwnerOf(folder, () => openInFolder(folder, options));
}

function openInFolder(folder: string, options: StoreOptions): RelayStore {
  makeFolder(folder);
  const lock = lockFolder(folder, options.lockPatienceMs);
  try {
    const file = join(folder, "relay.db");
    // SQLite gives its side files the mode of the database.
    makePrivate(file);
    // A command of an administrator may be recovering the log of a relay that was killed.
    const db = new DatabaseSync(file, { timeout: options.lockPatienceMs ?? 0 });
    try {
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000");
      const log = syncOf(`${file}-wal`);
      return openStore(db, options, log.sync, () => {
        log.close();
        lock.close();
      });
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** A store that is gone with its process: the same tables, in memory. */
export function openMemoryStore(options: StoreOptions): RelayStore {
  return openStore(new DatabaseSync(":memory:"), options, undefined, () => {});
}

/**
 * With `synchronous = FULL` SQLite does this at the end of each commit, and the event loop stands still meanwhile. Done
 * by another thread it takes as long, but frames are read and decided. (https://sqlite.org/wal.html: in WAL mode the log
 * is all that a commit writes; a checkpoint syncs it first also with `synchronous = NORMAL`.)
 */
function syncOf(log: string): { sync: Sync; close: () => void } {
  let file: number | undefined;
  return {
    sync(done) {
      // SQLite makes the file with the first write, and keeps it until the database is closed.
      file ??= openSync(log, "r+");
      fdatasync(file, done);
    },
    close() {
      if (file !== undefined) closeSync(file);
    },
  };
}

function openStore(db: DatabaseSync, options: StoreOptions, sync: Sync | undefined, closed: () => void): RelayStore {
  const { limits, clock = Date.now, onCommit } = options;
  db.exec("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536");
  migrate(db);
  if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
  const logId = readLogId(db, options.restored ?? false);
  db.exec("PRAGMA synchronous = NORMAL");

  /** Entries up to here are on disk. What is not is not handed out: the next start could use its `seq` again. */
  let onDisk = highestSeq(db);
  let listener: ((entries: Entry[]) => void) | undefined;
  const group = new GroupCommit(
    db,
    sync,
    () => {
      accounts.forget();
      groups.forget();
      mail.forget();
      peers.forget();
    },
    onCommit,
  );
  group.watch((entries) => {
    onDisk = entries.at(-1)?.seq ?? onDisk;
    listener?.(entries);
  });
  const accounts = accountsTable(db, addressesTable(db));
  const peers = peersTable(db, limits.peers);
  const groups = groupsTable(db);
  const requests = requestsTable(db, clock);
  const keyPackages = keyPackagesTable(db, limits.keyPackages, clock);
  const mail = mailTable(db, limits, clock, (entry) => group.announce(entry));
  const tables = { accounts, groups, requests, mail, peers, limits, clock };
  const sweep = sweeper(db, { accounts, mail, requests, keyPackages, groups }, limits, clock);

  const audit = auditTable(db, clock);

  function remove(mailbox: number, release: boolean): boolean {
    const name = accounts.owner(mailbox)?.name ?? "";
    if (!accounts.remove(mailbox, release)) return false;
    peers.removeAll(name);
    groups.removeMember(mailbox);
    keyPackages.removeAll(mailbox);
    return true;
  }

  function setPeers(mailbox: number, change: PeersChange): Refused | undefined {
    const owner = senderOf(accounts, mailbox);
    if (owner === undefined) return { refused: "device_replaced" };
    peers.change(owner.name, {
      clear: change.clear,
      allow: change.allow.map(usernameKey),
      block: change.block.map(usernameKey),
    });
    return undefined;
  }

  function claimKeys(claimant: number, username: string, another: boolean, admit: () => number): ClaimedKeys | Refused {
    const sender = senderOf(accounts, claimant);
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
    const retryAfterMs = admit();
    if (retryAfterMs > 0) return { refused: "rate_limited", retryAfterMs };
    const fresh = keyPackages.take(claimant, mailbox);
    const keyPackage = fresh ?? keyPackages.lastResort(mailbox);
    if (keyPackage === undefined) return { refused: "no_key_packages" };
    return { account, keyPackage, lastResort: fresh === undefined, remaining: keyPackages.count(mailbox) };
  }

  return {
    logId,
    watch: (stored) => void (listener = stored),
    account: (username) => group.glance(() => accounts.find(username)),
    device: (username, id) => group.glance(() => accounts.device(username, id)),
    registerToken: (username, derivedKey, address) =>
      group.write(() => accounts.registerToken(username, derivedKey, address)),
    registerDevice: (device) =>
      group.write(() => {
        const result = accounts.registerDevice(device);
        if ("refused" in result) return result;
        const { account, replaced, repeat } = result;
        if (replaced !== undefined) keyPackages.removeAll(replaced);
        // A repeat brings nothing new: its packages were stored with the first, or replaced since.
        if (!repeat) keyPackages.publish(account.mailbox, device.keyPackages, device.lastResort);
        return { account, replaced };
      }),
    login: (mailbox, counter) => group.writeSoon(() => accounts.login(mailbox, counter)),
    removeAccount: (mailbox, release) => group.write(() => remove(mailbox, release)),
    isBlocked: (owner, peer) => group.glance(() => peers.standing(owner, peer) === "blocked"),
    setPeers: (mailbox, change) => group.writeSoon(() => setPeers(mailbox, change)),
    send: (request, blocked) => group.write(() => send(tables, request, blocked)),
    commit: (request) => group.write(() => commit(tables, keyPackages, request)),
    entries: (mailbox, after, room) => group.read(() => mail.between(mailbox, after, onDisk, room)),
    received: (mailbox, seq) => group.write(() => mail.received(mailbox, seq)),
    receivedSoon: (mailbox, seq, deleted) => group.later(() => deleted(mail.received(mailbox, seq))),
    lastRequest: (mailbox) => group.glance(() => requests.last(mailbox)),
    highWater: (mailbox) => group.read(() => mail.highWater(mailbox)),
    lastSeq: () => group.glance(() => onDisk),
    publishKeys: (mailbox, packages, lastResort) =>
      // What a device publishes that was replaced or removed meanwhile would be left over.
      group.write(() =>
        senderOf(accounts, mailbox) === undefined ? 0 : keyPackages.publish(mailbox, packages, lastResort),
      ),
    countKeys: (mailbox) => group.glance(() => keyPackages.count(mailbox)),
    claimKeys: (claimant, username, another, admit) => group.write(() => claimKeys(claimant, username, another, admit)),
    sweep: () => group.write(sweep),
    depth: () => group.read(() => mail.depth()),
    administer: (deed) => group.write(() => administer(accounts, audit, remove, deed)),
    countRefusals: (counts) => group.writeSoon(() => audit.countRefusals(counts)),
    audit: (last) => group.read(() => audit.last(last)),
    async [Symbol.asyncDispose]() {
      await group.finish();
      db.close();
      closed();
    },
  };
}

/** Highest `seq` that was ever given, also to what has left since. */
function highestSeq(db: DatabaseSync): number {
  const row = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").get() as { seq: number } | undefined;
  return row?.seq ?? 0;
}

/** Id of the logs in a database; `renew` gives it a new one. */
export function readLogId(db: DatabaseSync, renew: boolean): string {
  if (renew) db.exec("DELETE FROM meta WHERE key = 'log_id'");
  db.prepare("INSERT OR IGNORE INTO meta VALUES ('log_id', ?)").run(randomBytes(16).toString("hex"));
  return (db.prepare("SELECT value FROM meta WHERE key = 'log_id'").get() as { value: string }).value;
}
