/**
 * A look at what waits for an agent, for programs that must be quick: it reads the store by itself, asks for no passphrase, changes
 * nothing but what was announced to whom, and nothing else of the SDK is behind it. Of a sealed store it knows how much waits, and
 * not of whom: keys of records are not sealed, values are.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type Found, LOOKED_AT, type News, newsOf } from "../records/news.ts";
import type { ContactRecord, InboxRecord, PeerStanding } from "../records/tables.ts";
import { nameTeams } from "../records/team-naming.ts";
import type { TeamRecord } from "../records/team-records.ts";
import { ANNOUNCED } from "./home.ts";
import { asOwnerOf } from "./program/owner.ts";

export type { News, NewsGroup, NewsSender } from "../records/news.ts";
export { agentFolder, agentFolders, homeFolder, userHome } from "./home.ts";

/** How long another process may hold the database up. Milliseconds. */
const BUSY_MS = 250;
/** Sessions of which it is known what they were told, at most; the oldest go. */
const SESSIONS = 128;

// Behind `unhandled/` stands the place in the inbox, of as many digits each.
const WAITING = `SELECT waiting.key AS key, row.value AS value FROM records AS waiting
  LEFT JOIN records AS row ON row.key = 'in/' || substr(waiting.key, 11)
  WHERE waiting.key > ? AND waiting.key < 'unhandled/~' ORDER BY waiting.key LIMIT ?`;
const REQUESTS = "SELECT count(*) AS count FROM records WHERE key >= 'holding/consent/' AND key < 'holding/consent/~'";
// Of a group's row, which names all of its members, no more than that is read.
const TEAMS = `SELECT substr(key, 6) AS key, json_extract(value, '$.name') AS name, json_extract(value, '$.since') AS since,
    json_extract(value, '$.alias') AS alias, json_extract(value, '$.state') AS state
  FROM records WHERE key > 'team/' AND key < 'team/~' AND typeof(value) = 'text'`;
const NEWEST = "SELECT max(key) AS key FROM records WHERE key >= 'unhandled/' AND key < 'unhandled/~'";

/** News of what waits in the store of a folder behind a place of its inbox; undefined if nothing does. @throws what SQLite says */
export function glance(folder: string, after = 0): News | undefined {
  return look(folder, (db) => {
    const waiting = waitingIn(db, after, LOOKED_AT + 1);
    if (waiting.length === 0) return undefined;
    const more = waiting.length > LOOKED_AT;
    const position = more ? placeIn(db.prepare(NEWEST).get()?.["key"]) : (waiting.at(-1)?.place ?? after);
    const rows = waiting.slice(0, LOOKED_AT).map(({ row }) => row);
    const requests = Number(db.prepare(REQUESTS).get()?.["count"]);
    const found = { rows, about: sendersOf(db, rows), groupNames: groupsOf(db, rows) };
    return newsOf({ ...found, position, more, requests }, Date.now());
  });
}

interface Reading {
  /** What somebody was shown. */
  text: string;
  /** That it was shown what waits: of a sealed store nothing else is known of it. */
  all: boolean;
}

/** The place of the inbox up to which all that waits behind `after` stands in a text by its id. @throws what SQLite says */
export function shownUpTo(folder: string, after: number, { text, all }: Reading): number {
  return look(folder, (db) => {
    const waiting = waitingIn(db, after, LOOKED_AT);
    const end = waiting.findIndex(({ row }) => (row === null ? !all : !text.includes(row.local_id)));
    return (end === -1 ? waiting : waiting.slice(0, end)).at(-1)?.place ?? after;
  });
}

function look<T>(folder: string, work: (db: DatabaseSync) => T): T {
  return asOwnerOf(folder, () => {
    const db = open(folder);
    try {
      return work(db);
    } finally {
      db.close();
    }
  });
}

/** What waits behind a place, in order. */
function waitingIn(db: DatabaseSync, after: number, limit: number): { place: number; row: InboxRecord | null }[] {
  const found = db.prepare(WAITING).all(`unhandled/${String(after).padStart(16, "0")}`, limit);
  return found.map(({ key, value }) => ({ place: placeIn(key), row: readable(value) as InboxRecord | null }));
}

function placeIn(key: unknown): number {
  return Number(String(key).slice("unhandled/".length));
}

/** Where no process has it open, a database whose -wal file is not there does not change, and nothing is left beside it. */
function open(folder: string): DatabaseSync {
  const file = join(folder, "agent.db");
  const wal = statSync(`${file}-wal`, { throwIfNoEntry: false });
  const alone = pathToFileURL(file);
  alone.searchParams.set("immutable", "1");
  return new DatabaseSync(wal === undefined ? alone : file, { readOnly: true, timeout: BUSY_MS });
}

function sendersOf(db: DatabaseSync, rows: readonly (InboxRecord | null)[]): Found["about"] {
  const one = db.prepare("SELECT value FROM records WHERE key = ?");
  const valueOf = (key: string): unknown => one.get(key)?.["value"];
  const names = new Set(rows.flatMap((row) => (row === null ? [] : [row.from])));
  return new Map(
    Array.from(names, (name) => [
      name,
      {
        contact: (readable(valueOf(`contact/${name}`)) ?? undefined) as ContactRecord | undefined,
        standing: valueOf(`peer/${name}`) as PeerStanding | undefined,
      },
    ]),
  );
}

/** Names of the groups that something was sent to. */
function groupsOf(db: DatabaseSync, rows: readonly (InboxRecord | null)[]): Found["groupNames"] {
  if (!rows.some((row) => row?.team !== undefined)) return new Map();
  type Row = Pick<TeamRecord, "key" | "name" | "since" | "state"> & { alias: string | null };
  const teams = (db.prepare(TEAMS).all() as unknown as Row[]).map(({ alias, ...team }) => ({
    ...team,
    ...(alias === null ? {} : { alias }),
  }));
  return new Map(Array.from(nameTeams(teams), ([name, { key }]) => [key, name]));
}

/** A record as an object; null if it is sealed, or cannot be read. */
function readable(value: unknown): object | null {
  if (typeof value !== "string") return null;
  try {
    const record: unknown = JSON.parse(value);
    return typeof record === "object" ? record : null;
  } catch {
    return null;
  }
}

/** The place of the inbox up to which a session was told of what waits; 0 if it was told of nothing. */
export function announcedUpTo(folder: string, session: string): number {
  return asOwnerOf(folder, () => Math.max(0, ...ofSession(folder, nameOf(session)).map(placeOf)));
}

/**
 * Remembers that a session is told of what waits up to a place. What it knows of stands in names of empty files: making one is
 * one step, in which of several processes one succeeds.
 * @returns whether this process is the one that tells it
 */
export function announce(folder: string, session: string, position: number): boolean {
  const name = nameOf(session);
  return asOwnerOf(folder, () => {
    mkdirSync(join(folder, ANNOUNCED), { recursive: true, mode: 0o700 });
    try {
      closeSync(openSync(join(folder, ANNOUNCED, `${name}-${position}`), "wx", 0o600));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
    for (const file of ofSession(folder, name))
      if (placeOf(file) < position) rmSync(join(folder, ANNOUNCED, file), { force: true });
    sweep(join(folder, ANNOUNCED));
    return true;
  });
}

/** A session's id is its host's, and may be a path or a secret. */
function nameOf(session: string): string {
  return createHash("sha256").update(session).digest("hex").slice(0, 32);
}

function placeOf(file: string): number {
  return Number(file.slice(file.indexOf("-") + 1));
}

function ofSession(folder: string, name: string): string[] {
  try {
    return readdirSync(join(folder, ANNOUNCED)).filter((file) => file.startsWith(`${name}-`));
  } catch {
    return [];
  }
}

function sweep(folder: string): void {
  const files = readdirSync(folder);
  if (files.length <= SESSIONS) return;
  const ages = files.map((file) => ({
    path: join(folder, file),
    at: statSync(join(folder, file), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  }));
  for (const { path } of ages.toSorted((a, b) => a.at - b.at).slice(0, files.length - SESSIONS))
    rmSync(path, { force: true });
}
