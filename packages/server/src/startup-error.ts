import type { Config } from "./config/config.ts";
import { explainEngine } from "./store/explain-engine.ts";
import { freeBytes } from "./store/sqlite/reserve.ts";
import { FolderLockedError } from "./store/sqlite/lock.ts";
import { NewerSchemaError } from "./store/sqlite/migrations.ts";
import { MovedError } from "./store/sqlite/moved.ts";

/** SQLite's codes for what a full disk may be called (https://sqlite.org/rescode.html): IOERR, FULL, CANTOPEN. */
const NO_ROOM = new Set([10, 13, 14]);
/** Less than this, and it is called full. */
const NO_ROOM_BYTES = 2 ** 20;

/** A relay could not start; the message is one sentence for people that says why, and the hint what to do. */
export class StartupError extends Error {
  override readonly name = "StartupError";
  readonly hint: string;
  constructor(message: string, hint: string, cause: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

export function asStartupError(error: unknown, config: Config): unknown {
  const known = explain(error, config);
  return known === undefined ? error : new StartupError(...known, error);
}

function explain(
  error: unknown,
  { port, host, db, tls, metrics, store }: Config,
): [message: string, hint: string] | undefined {
  if (error instanceof FolderLockedError)
    return [`Database folder ${db} is locked by another relay`, "stop that one or choose another folder with --db"];
  if (error instanceof MovedError) return error.explain(db);
  if (typeof store === "string" && store.startsWith("postgres")) {
    const ofEngine = explainEngine(error as Error);
    if (ofEngine !== undefined) return ofEngine;
  }
  if (error instanceof NewerSchemaError) return [error.message, "install a newer aimessage-server"];
  const {
    code,
    errcode,
    syscall,
    path,
    message,
    port: taken = port,
  } = error as {
    port?: number;
    code?: string;
    errcode?: number;
    syscall?: string;
    path?: string;
    message?: string;
  };
  const its = metrics !== undefined && taken === metrics.port && taken !== port ? "--metrics-port" : "--port";
  if (code === "EADDRINUSE")
    return [`Port ${taken} is in use`, `stop what listens there or choose another with ${its}`];
  if (code === "EADDRNOTAVAIL" || syscall === "getaddrinfo")
    return [`Address ${host} is not one of this machine`, "choose another with --host"];
  if (syscall === "listen") return [`Cannot listen on ${host}:${port} (${code})`, "choose another port with --port"];
  if (code === "ELOOP")
    return [`Cannot go by the link ${path}`, "put what it leads to in its place, or choose another folder with --db"];
  if (path !== undefined && (path === tls?.cert || path === tls?.key))
    return [`Cannot read ${path} (${code})`, "check --tls-cert and --tls-key"];
  if (code === "ENOSPC") return [`The disk of ${db} is full`, "make room on it, a MiB is enough to start"];
  if (syscall !== undefined && path !== undefined)
    return [`Cannot use database folder ${db} (${code})`, "check its permissions or choose another with --db"];
  if (errcode !== undefined && NO_ROOM.has(errcode & 0xff) && isFull(db))
    return [
      `The disk of ${db} is full: not even the log of the database fits`,
      "make room on it, a MiB is enough to start; what is read and deleted then makes more",
    ];
  if (errcode !== undefined)
    return [`Cannot open the database in ${db} (${message})`, "check the folder or choose another with --db"];
  if (code?.startsWith("ERR_OSSL") === true)
    return [`Cannot use the TLS certificate or key (${code})`, "check --tls-cert and --tls-key, both in PEM"];
  return undefined;
}

function isFull(folder: string): boolean {
  try {
    return freeBytes(folder) < NO_ROOM_BYTES;
  } catch {
    return false;
  }
}
