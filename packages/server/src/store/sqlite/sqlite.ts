import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, fdatasync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { asOwnerOf } from "@aimessage/sdk/program";
import { reserveBlob } from "../decisions/blob.ts";
import { commit } from "../decisions/commit.ts";
import { administer } from "../decisions/deeds.ts";
import { claimKeys, publishKeys } from "../decisions/keys.ts";
import { entered, hasEntered, login } from "../decisions/login.ts";
import { offerStatements } from "../decisions/offers.ts";
import { senderOf } from "../decisions/payer.ts";
import { setPeers } from "../decisions/peers.ts";
import { registerDevice, registerToken } from "../decisions/register.ts";
import { removeAccount } from "../decisions/remove.ts";
import { send } from "../decisions/send.ts";
import { keepStatement } from "../decisions/statement.ts";
import { sweep, SWEEP_START } from "../decisions/sweep.ts";
import type { Occasion } from "../decisions/work.ts";
import { Disk } from "./disk.ts";
import { GroupCommit, type Sync } from "./group-commit.ts";
import { Listeners } from "./listeners.ts";
import { lockFolder, makeFolder, makePrivate, refuseLinks } from "./lock.ts";
import { migrate } from "./migrations.ts";
import { refuseMoved } from "./moved.ts";
import { Place } from "./place.ts";
import { Reserve } from "./reserve.ts";
import type { StoreOptions } from "../options.ts";
import { type Entry, type Hindrance, type MailboxState, type RelayStore, StorageError } from "../store.ts";
import { openTables } from "./tables.ts";

export interface SqliteOptions extends StoreOptions {
  /** How long to wait, blocking, for a folder or a database that another process holds. Milliseconds. */
  lockPatienceMs?: number;
  /** Largest size of the database in pages of 4096 bytes: a small disk, for tests. */
  maxPages?: number;
}

/**
 * Opens the store in a folder, making it if there is none. Only one relay at a time can. Root opens it as the folder's owner.
 * @throws NewerSchemaError, FolderLockedError, or what the file system says.
 */
export function openSqliteStore(folder: string, options: SqliteOptions): RelayStore {
  return asOwnerOf(folder, () => openInFolder(folder, options));
}

function openInFolder(folder: string, options: SqliteOptions): RelayStore {
  makeFolder(folder);
  using parts = new DisposableStack();
  const reserve = new Reserve(folder, options.limits.reserveBytes);
  // Already the lock takes a block.
  reserve.yield();
  parts.adopt(lockFolder(folder, options.lockPatienceMs), (lock) => lock.close());
  const file = join(folder, "relay.db");
  // SQLite gives its side files the mode of the database.
  makePrivate(file);
  refuseLinks(folder);
  // A command of an administrator may be recovering the log of a relay that was killed.
  const db = parts.use(new DatabaseSync(file, { timeout: options.lockPatienceMs ?? 0 }));
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000");
  // It only reads, and so cannot delete the log when it is the last to close (https://sqlite.org/wal.html).
  const reader = parts.use(new DatabaseSync(file, { readOnly: true }));
  for (const each of [db, reader]) each.prepare("SELECT 1 FROM sqlite_schema").get();
  refuseMoved(db);
  const log = parts.adopt(openSync(`${file}-wal`, "r+"), closeSync);
  const disk = new Disk(db, new Place(folder, log), reserve, options.onHindrance);
  const store = openStore(db, options, { sync: (done) => fdatasync(log, done), disk });
  const opened = parts.move();
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await disk[Symbol.asyncDispose]();
      // By its name SQLite would delete the log of another database that was put in the place of this one.
      if (disk.hindrance === "storage_lost") db.close();
      opened.dispose();
    },
  };
}

/** A store that is gone with its process: the same tables, in memory. */
export function openMemoryStore(options: SqliteOptions): RelayStore {
  const db = new DatabaseSync(":memory:");
  const store = openStore(db, options, undefined);
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      db.close();
    },
  };
}

/**
 * What is below a database in a folder. With `synchronous = FULL` SQLite syncs at the end of each commit, and the event loop
 * stands still meanwhile. Done by another thread it takes as long, but frames are read and decided.
 * (https://sqlite.org/wal.html: in WAL mode the log is all that a commit writes; a checkpoint syncs it first also with
 * `synchronous = NORMAL`.)
 */
interface Below {
  sync: Sync;
  disk: Disk;
}

function openStore(db: DatabaseSync, options: SqliteOptions, below: Below | undefined): RelayStore {
  const { limits, clock = Date.now, onCommit = () => {} } = options;
  db.exec("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192");
  migrate(db);
  if (options.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
  const logId = readLogId(db, options.restored ?? false);
  db.exec("PRAGMA synchronous = NORMAL");

  /** Entries up to here are on disk. What is not is not handed out: the next start could use its `seq` again. */
  let onDisk = highestSeq(db);
  let listener: ((entries: Entry[]) => void) | undefined;
  const listeners = new Listeners();
  const group = new GroupCommit(db, {
    sync: below?.sync,
    disk: below?.disk,
    forget: () => tables.forget(),
    flush: () => tables.addresses.flush(),
    onCommit,
  });
  const hindrance = (): Hindrance | undefined => below?.disk.hindrance;
  /** Work whose result would be gone at the next start is not even tried. */
  const keep = <T>(work: () => T, when: "now" | "soon" = "now"): Promise<T> => {
    if (hindrance() === "storage_lost") return Promise.reject(new StorageError("storage_lost"));
    return when === "now" ? group.write(work) : group.writeSoon(work, true);
  };
  /** Work that makes the database grow; of mail the requests tell, since a repeat of what is stored is none. */
  const grow = <T>(work: () => T): Promise<T> =>
    hindrance() === "storage_full" ? Promise.reject(new StorageError("storage_full")) : keep(work);
  group.watch((entries) => {
    onDisk = entries.at(-1)?.seq ?? onDisk;
    listener?.(entries);
  });
  const tables = openTables(db, {
    limits,
    clock,
    announce: (entry) => group.announce(entry),
    isListening: (mailbox) => listeners.has(mailbox),
  });
  const { accounts, audit, blobs, invites, keyPackages, mail, peers, requests } = tables;
  let swept = SWEEP_START;
  const occasion = (): Occasion => ({ now: clock(), isFull: hindrance() === "storage_full" });

  function look(mailbox: number): MailboxState {
    return {
      logId,
      lastSeq: onDisk,
      highWater: mail.highWater(mailbox, clock()),
      keyPackages: keyPackages.count(mailbox),
      lastRequest: requests.last(mailbox),
    };
  }

  function usernameOf(mailbox: number): string[] {
    const account = senderOf(tables, mailbox);
    return account === undefined ? [] : [account.username];
  }

  function received(mailbox: number, seq: number): number {
    tables.heard.set(mailbox, clock());
    return mail.received(mailbox, seq);
  }

  function removeBlob(id: string, by: number | "token" | undefined): boolean {
    if (by === undefined) return blobs.remove(id);
    if (by === "token") return blobs.remove(id, {});
    // Of an account that is gone, or a device that was replaced, it is no more.
    const owner = senderOf(tables, by);
    return owner !== undefined && blobs.remove(id, { owner: owner.name });
  }

  return {
    logId,
    hindrance,
    watch: (stored) => void (listener = stored),
    account: (username) => group.glance(() => accounts.find(username)),
    device: (username, id) => group.glance(() => accounts.device(username, id)),
    objection: (admission) => group.glance(() => invites.objection(admission)),
    registerToken: (username, derivedKey, address, admission = "open") =>
      grow(() => registerToken(tables, { username, derivedKey, address, admission }, clock())),
    registerDevice: (device, admission = "open") =>
      grow(() => registerDevice(tables, device, { admission, now: clock() })),
    entered: (mailbox) => {
      if (!hasEntered(tables, mailbox, clock())) group.later(() => entered(tables, mailbox, clock()));
    },
    login: (mailbox, counter) => group.writeSoon(() => login(tables, { mailbox, counter }, clock())),
    removeAccount: (mailbox, release) => keep(() => removeAccount(tables, mailbox, release)),
    isBlocked: (owner, peer) => group.glance(() => peers.standing(owner, peer) === "blocked"),
    setPeers: (mailbox, change) => keep(() => setPeers(tables, mailbox, change), "soon"),
    send: (request, blocked) =>
      keep(() => send(tables, { request, id: request.messageId ?? randomUUID(), blocked }, occasion())),
    commit: (request) =>
      keep(() => {
        const result = commit(tables, request, occasion());
        if (!("refused" in result)) tables.heard.set(request.sender, clock());
        return result;
      }),
    keepStatement: (request) => keep(() => keepStatement(tables, request, occasion())),
    offers: (newcomers = []) =>
      group.write(() => {
        tables.statements.awaken(newcomers, clock());
        return { offers: offerStatements(tables, clock()), next: tables.statements.next() };
      }, false),
    teamsOf: (mailbox) => group.glance(() => tables.groups.teamsOf(accounts.owner(mailbox)?.name ?? "")),
    entries: (mailbox, after, room) => group.read(() => mail.between(mailbox, after, onDisk, room)),
    received: (mailbox, seq) => group.write(() => received(mailbox, seq), false),
    receivedSoon: (mailbox, seq, deleted) => group.later(() => deleted(received(mailbox, seq))),
    look: (mailbox) => group.read(() => look(mailbox)),
    listen: (mailbox) => group.read(() => ({ ...look(mailbox), claim: listeners.add(mailbox) })),
    unlisten: async (mailbox, claim) => listeners.remove(mailbox, claim),
    online: () => group.glance(() => listeners.mailboxes().flatMap(usernameOf)),
    publishKeys: (mailbox, packages, lastResort, replace) =>
      grow(() => publishKeys(tables, { mailbox, packages, lastResort, replace }, clock())),
    claimKeys: (claimant, username, another) => grow(() => claimKeys(tables, { claimant, username, another })),
    blobs: {
      reserve: (blob) => grow(() => reserveBlob(tables, blob, { id: randomBytes(16).toString("hex"), now: clock() })),
      find: (id) => group.glance(() => blobs.find(id)),
      // Decided at once: nobody waits for the disk.
      advance: (id, from, to) =>
        new Promise((resolve, reject) => {
          group.write(() => resolve(blobs.advance(id, from, to)), false).catch(reject);
        }),
      seal: (id) => keep(() => blobs.seal(id)),
      remove: (id, by) => keep(() => removeBlob(id, by)),
      removeOverdue: (limit) => group.write(() => blobs.removeOverdue(limit), false),
      known: (ids) => group.read(() => blobs.known(ids)),
      sealedAfter: (id, limit) => group.read(() => blobs.sealedAfter(id, limit)),
      room: (free) => group.glance(() => blobs.mayCome(free)),
      totals: () => group.glance(() => blobs.totals()),
      mark: () => group.glance(() => blobs.mark()),
      setMark: (mark) => keep(() => blobs.setMark(mark)),
    },
    sweep: () =>
      group.write(() => {
        const { place, ...done } = sweep(tables, swept, clock());
        swept = place;
        return done;
      }, false),
    depth: () => group.read(() => mail.depth()),
    administer: (deed) => keep(() => administer(tables, deed)),
    countRefusals: (counts) => group.writeSoon(() => audit.countRefusals(counts)),
    audit: (last) => group.read(() => audit.last(last)),
    [Symbol.asyncDispose]: () => group.finish(),
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
