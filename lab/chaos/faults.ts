/**
 * Loaded into a process before its program (`node --import`): lets its disk fail, its clock be wrong, or itself be killed
 * at the worst moment, as the driver orders over IPC. The program knows nothing of it.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { promisify } from "node:util";
import type { Order } from "./orders.ts";

const FULL = 13;
const realNow = Date.now;
let clockOffset = Number(process.env["CHAOS_CLOCK"] ?? 0);
Date.now = () => realNow() + clockOffset;

const isRelay = process.env["CHAOS_ROLE"] === "relay";
/** The database with a write transaction, if there is one. */
let writer: DatabaseSync | undefined;
let refuse: Extract<Order, { kind: "refuse" }> | undefined;
let die: Extract<Order, { kind: "die" }> | undefined;
let syncFails = false;
let fullUntil = 0;
let fullReported = true;

process.on("message", (order: Order) => {
  if (order.kind === "refuse") refuse = order;
  else if (order.kind === "die") die = order;
  else if (order.kind === "sync") syncFails = true;
  else if (order.kind === "clock") clockOffset = order.offset;
  else if (order.kind === "full") {
    fullUntil = performance.now() + order.ms;
    fullReported = false;
  } else if (order.kind === "lift") {
    refuse = die = undefined;
    syncFails = false;
    fullUntil = 0;
    clockOffset = 0;
  }
});
process.once("disconnect", () => process.exit(0));
// The channel alone keeps nobody alive who has nothing to do any more.
process.channel?.unref();

function hit(kind: string): void {
  process.send?.({ hit: kind });
}

/** SQLite's error as node:sqlite throws it (https://sqlite.org/rescode.html). */
function sqliteError(errcode: number): Error {
  const text = (errcode & 0xff) === FULL ? "database or disk is full" : "disk I/O error";
  return Object.assign(new Error(text), { code: "ERR_SQLITE_ERROR", errcode, errstr: text });
}

/** Fails as the disk does: now with, now without a rollback by SQLite itself. */
function fail(errcode: number, rollBack: boolean): never {
  if (rollBack && writer?.isTransaction === true) exec.call(writer, "ROLLBACK");
  throw sqliteError(errcode);
}

function failIfDue(at: "commit" | "run"): void {
  if (writer === undefined) return;
  if (performance.now() < fullUntil) {
    if (!fullReported) hit("disk-full");
    fullReported = true;
    fail(FULL, at === "commit");
  }
  if (refuse?.at !== at || refuse.after-- > 0) return;
  const { errcode, rollBack } = refuse;
  refuse = undefined;
  hit("disk-refused");
  fail(errcode, rollBack);
}

// oxlint-disable-next-line typescript/unbound-method -- it is called with the database that it is of
const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  if (sql === "COMMIT" && writer === this) {
    failIfDue("commit");
    const now = die !== undefined && die.after-- <= 0 ? die.when : undefined;
    if (now === "before") process.kill(process.pid, "SIGKILL");
    exec.call(this, sql);
    writer = undefined;
    if (now === "after") process.kill(process.pid, "SIGKILL");
    return;
  }
  exec.call(this, sql);
  // A client's store reads in transactions, too; those begin without a word.
  // oxlint-disable-next-line typescript/no-this-alias -- it is remembered beyond this call
  if (sql === "BEGIN IMMEDIATE" || (isRelay && sql === "BEGIN")) writer = this;
  else if (sql === "ROLLBACK" && writer === this) writer = undefined;
};

// oxlint-disable-next-line typescript/unbound-method -- likewise
const run = StatementSync.prototype.run;
StatementSync.prototype.run = function (this: StatementSync, ...values: Parameters<typeof run>) {
  failIfDue("run");
  return run.apply(this, values);
} as typeof run;

/** A disk that is full takes no files either. What goes to a terminal or a pipe has no disk. */
function isFull(file: number): boolean {
  return performance.now() < fullUntil && file > 2;
}

function noRoom(): NodeJS.ErrnoException {
  return Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    errno: -28,
    syscall: "write",
  });
}

const { write } = fs;
fs.write = ((file: number, ...rest: unknown[]) => {
  const done = rest.at(-1) as (error: Error | null) => void;
  if (isFull(file)) process.nextTick(done, noRoom());
  else (write as (...values: unknown[]) => void)(file, ...rest);
}) as typeof write;
const writing = promisify(write) as (...values: unknown[]) => Promise<unknown>;
Object.defineProperty(fs.write, promisify.custom, {
  value: (file: number, ...rest: unknown[]) => (isFull(file) ? Promise.reject(noRoom()) : writing(file, ...rest)),
});
{
  const handle = await fs.promises.open(process.execPath);
  const prototype = Object.getPrototypeOf(handle) as Record<"write" | "writev", (...values: unknown[]) => unknown>;
  await handle.close();
  for (const name of ["write", "writev"] as const) {
    const original = prototype[name];
    prototype[name] = function (this: { fd: number }, ...values: unknown[]) {
      return isFull(this.fd) ? Promise.reject(noRoom()) : original.apply(this, values);
    };
  }
}

const { fdatasync } = fs;
fs.fdatasync = ((file: number, done: (error: NodeJS.ErrnoException | null) => void) => {
  if (!syncFails) return fdatasync(file, done);
  syncFails = false;
  hit("sync-failed");
  fdatasync(file, () => done(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO", errno: -5 })));
}) as typeof fdatasync;
syncBuiltinESMExports();
