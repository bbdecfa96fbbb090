import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { defaultLimits } from "../config/limits.ts";
import { FolderLockedError, lockFolder } from "../store/sqlite/lock.ts";
import { openSqliteStore } from "../store/sqlite/sqlite.ts";
import type { Deed, DeedDone } from "../store/store.ts";
import { AdminError } from "./admin-error.ts";
import { openSnapshot } from "./read-only.ts";
import { namesOf, Reply, requestsFolder } from "./request.ts";

/** How long a running relay may take to begin, and then to be done. Milliseconds. */
const TO_BEGIN_MS = 10_000;
const TO_END_MS = 30_000;
const LOOK_MS = 20;
/** How often it is looked whether the relay is still there. */
const LOCK_MS = 500;

type Outcome = DeedDone["outcome"];

/** Has the relay that runs on a database do something, or does it here if none runs. */
export async function perform(db: string, deed: Deed): Promise<Outcome> {
  // Also so that nothing here lifts an older database to this version: the relay of that version may still be used.
  openSnapshot(db).close();
  for (;;) {
    const outcome = (await performHere(db, deed)) ?? (await askRelay(db, deed));
    if (outcome !== "relay ended") return outcome;
  }
}

/** Undefined if a relay runs. It may take what a relay keeps of the disk. Notices for what is dropped are made at its next start, by its own limits. */
async function performHere(db: string, deed: Deed): Promise<Outcome | undefined> {
  try {
    await using store = openSqliteStore(db, { limits: { ...defaultLimits(), reserveBytes: 0 } });
    return (await store.administer(deed)).outcome;
  } catch (error) {
    if (error instanceof FolderLockedError) return undefined;
    throw error;
  }
}

async function askRelay(db: string, deed: Deed): Promise<Outcome | "relay ended"> {
  const folder = requestsFolder(db);
  const names = namesOf(folder, randomUUID());
  makeRequestsFolder(folder);
  const until = Date.now() + TO_BEGIN_MS;
  writeFileSync(names.draft, JSON.stringify({ ...deed, until }), { flag: "wx", mode: 0o600 });
  renameSync(names.draft, names.asked);

  const begun = performance.now();
  let lookAtLock = performance.now() + LOCK_MS;
  for (let taken = false; ; await delay(LOOK_MS)) {
    // The lock first: what a relay has answered before it ended is found behind it.
    const ended = performance.now() >= lookAtLock && !isLocked(db);
    if (performance.now() >= lookAtLock) lookAtLock = performance.now() + LOCK_MS;
    const reply = takeReply(names.reply);
    if (reply !== undefined) return reply;
    if (ended) {
      if (withdraw(names.asked)) return "relay ended";
      throw unclear(`The relay on ${db} ended before it said whether it is done`);
    }
    if (!taken && performance.now() >= begun + TO_BEGIN_MS) {
      if (withdraw(names.asked)) throw notAnswering(db);
      taken = true;
    }
    if (performance.now() >= begun + TO_BEGIN_MS + TO_END_MS)
      throw unclear(`The relay on ${db} has begun, and does not say that it is done`);
  }
}

function notAnswering(db: string): AdminError {
  return new AdminError(
    `The relay on ${db} does not answer; nothing was done`,
    "see whether it is stopped (Ctrl+Z), or of an older version: then start it again",
  );
}

function unclear(message: string): AdminError {
  return new AdminError(message, "`aimessage-server audit` tells what was done");
}

function isLocked(db: string): boolean {
  try {
    lockFolder(db).close();
    return false;
  } catch (error) {
    if (error instanceof FolderLockedError) return true;
    throw error;
  }
}

function makeRequestsFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function takeReply(file: string): Outcome | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  unlinkSync(file);
  const reply = Reply.parse(JSON.parse(text));
  if ("failed" in reply) throw new AdminError(`The relay could not do it: ${reply.failed}`, "see the log of the relay");
  return reply.outcome;
}

/** Whether the relay had not taken it yet. */
function withdraw(asked: string): boolean {
  try {
    unlinkSync(asked);
    return true;
  } catch {
    return false;
  }
}
