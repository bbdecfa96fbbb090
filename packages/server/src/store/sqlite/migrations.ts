import type { DatabaseSync } from "node:sqlite";

/** Each entry lifts the database by one version (`PRAGMA user_version`). Append; never change one that was released. */
const migrations: string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE accounts (
    name TEXT PRIMARY KEY,           -- lower case
    username TEXT NOT NULL,          -- as registered
    kind TEXT NOT NULL,              -- token, key, removed
    mailbox INTEGER,
    derived_key BLOB,                -- of a token account
    identity_key BLOB                -- of a key account
  ) WITHOUT ROWID;

  -- A mailbox belongs to a device; that of a token account, and of a name that nobody has registered, to the device ''.
  CREATE TABLE mailboxes (
    mailbox INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    device TEXT NOT NULL,
    device_key BLOB,
    certificate BLOB,
    counter INTEGER NOT NULL DEFAULT 0,
    login_counter INTEGER NOT NULL DEFAULT 0,
    closed TEXT,                     -- why nobody reads it any more: device_replaced, unregistered
    drained INTEGER                  -- 1 when a closed mailbox has been emptied
  );
  CREATE INDEX mailboxes_by_name ON mailboxes (name, device);
  CREATE INDEX mailboxes_closed ON mailboxes (mailbox) WHERE closed IS NOT NULL AND drained IS NULL;

  -- AUTOINCREMENT: without it, seq would start again when the table is empty, and a late 'received' delete unread mail.
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL,
    sender TEXT NOT NULL,            -- lower-case name of who is charged for it
    from_name TEXT NOT NULL,
    device TEXT,
    kind TEXT NOT NULL,
    session_id TEXT,
    group_id TEXT,
    epoch INTEGER,
    message_id TEXT NOT NULL,
    expires_at INTEGER,
    stored_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status TEXT,
    reason TEXT,
    unknown INTEGER,                 -- 1 if nobody has registered the recipient's name
    message TEXT NOT NULL            -- last: what stands before a long value is read without it
  );
  CREATE INDEX entries_by_mailbox ON entries (mailbox);
  CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX entries_unknown ON entries (sender) WHERE unknown = 1;

  -- What a device has sent, so that a repeat is known as one.
  CREATE TABLE requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sender INTEGER NOT NULL,
    kind TEXT NOT NULL,              -- message, commit
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    mailbox INTEGER NOT NULL,        -- the recipient's
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (sender, kind, id)
  );

  CREATE TABLE groups (group_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE members (
    group_id TEXT NOT NULL,
    mailbox INTEGER NOT NULL,
    PRIMARY KEY (group_id, mailbox)
  ) WITHOUT ROWID;
  CREATE INDEX members_by_mailbox ON members (mailbox);

  -- A package that was handed out keeps its row without the bytes, so that publishing it again does not hand it out twice.
  CREATE TABLE key_packages (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL,
    digest BLOB NOT NULL,
    package BLOB,
    published_at INTEGER NOT NULL,
    UNIQUE (mailbox, digest)
  );
  CREATE INDEX key_packages_by_age ON key_packages (published_at);
  CREATE TABLE last_resorts (mailbox INTEGER PRIMARY KEY, package BLOB NOT NULL, published_at INTEGER NOT NULL);
  CREATE INDEX last_resorts_by_age ON last_resorts (published_at);
  CREATE TABLE claims (
    claimant INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    package BLOB NOT NULL,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (claimant, mailbox)
  ) WITHOUT ROWID;
  CREATE INDEX claims_by_age ON claims (published_at);
  `,
  `
  -- The newest id of each device in requests, which are forgotten: by it a client knows its own store from an old copy.
  CREATE TABLE last_requests (sender INTEGER PRIMARY KEY, id TEXT NOT NULL);
  `,
  `
  -- What is left of a stock, and what was handed out: each is counted without reading the other.
  CREATE INDEX key_packages_left ON key_packages (mailbox, number) WHERE package IS NOT NULL;
  CREATE INDEX key_packages_gone ON key_packages (mailbox, number) WHERE package IS NULL;
  `,
  `
  ALTER TABLE accounts ADD COLUMN disabled INTEGER;  -- 1 if the operator has disabled it

  -- What administrators did, a row each, and what the relay refused, a row for each hour, reason and who.
  CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,              -- deed, refusal
    at INTEGER NOT NULL,             -- of refusals, when the hour began
    who TEXT NOT NULL,
    what TEXT NOT NULL,              -- of refusals, the reason
    target TEXT,
    outcome TEXT,
    count INTEGER
  );
  CREATE INDEX audit_by_kind ON audit (kind, number);
  CREATE UNIQUE INDEX audit_refusals ON audit (at, what, who) WHERE kind = 'refusal';

  -- Groups of devices that had been replaced when their account was removed.
  DELETE FROM members WHERE group_id IN
    (SELECT group_id FROM members WHERE mailbox NOT IN (SELECT mailbox FROM mailboxes));
  `,
  `
  -- Whom the owner of an account has written to or accepted, and whom it has blocked. Lower case.
  CREATE TABLE peers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    peer TEXT NOT NULL,
    blocked INTEGER NOT NULL,        -- 0 or 1
    UNIQUE (owner, peer)
  );
  CREATE INDEX peers_of_owner ON peers (owner, blocked, number);

  -- From where accounts were registered: strangers of one address share their room.
  CREATE TABLE addresses (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
  ALTER TABLE accounts ADD COLUMN address INTEGER;

  -- The same table with two columns more in front of the message, which is read without it.
  ALTER TABLE entries RENAME TO entries_before;
  DROP INDEX entries_by_mailbox;
  DROP INDEX entries_by_expiry;
  DROP INDEX entries_unknown;
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox INTEGER NOT NULL,
    sender TEXT NOT NULL,            -- lower-case name of who is charged for it
    from_name TEXT NOT NULL,
    device TEXT,
    kind TEXT NOT NULL,
    session_id TEXT,
    group_id TEXT,
    epoch INTEGER,
    message_id TEXT NOT NULL,
    expires_at INTEGER,
    stored_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status TEXT,
    reason TEXT,
    unknown INTEGER,                 -- 1 if nobody has registered the recipient's name
    stranger INTEGER,                -- 1 if the recipient had not let the sender in
    address INTEGER,                 -- of the sender
    message TEXT NOT NULL
  );
  INSERT INTO entries SELECT seq, mailbox, sender, from_name, device, kind, session_id, group_id, epoch, message_id,
    expires_at, stored_at, bytes, status, reason, unknown, NULL, NULL, message FROM entries_before ORDER BY seq;
  -- Also of entries that are gone no place is given again.
  INSERT INTO sqlite_sequence (name, seq) SELECT 'entries', 0
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'entries');
  UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries_before'), 0))
    WHERE name = 'entries';
  DROP TABLE entries_before;
  CREATE INDEX entries_by_mailbox ON entries (mailbox);
  CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX entries_unknown ON entries (sender) WHERE unknown = 1;
  `,
  `
  -- What accounts of an address have lying here. Rows that are charged to it bear its number.
  ALTER TABLE addresses ADD COLUMN accounts INTEGER NOT NULL DEFAULT 0;  -- names that are registered or reserved
  ALTER TABLE addresses ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE addresses SET accounts = (SELECT count(*) FROM accounts a WHERE a.address = addresses.id),
    bytes = (SELECT coalesce(sum(e.bytes), 0) FROM entries e WHERE e.address = addresses.id);
  ALTER TABLE key_packages ADD COLUMN address INTEGER;
  ALTER TABLE last_resorts ADD COLUMN address INTEGER;
  ALTER TABLE claims ADD COLUMN address INTEGER;
  ALTER TABLE claims ADD COLUMN claimed_at INTEGER;  -- forgotten a day later
  CREATE INDEX claims_by_time ON claims (claimed_at);
  ALTER TABLE peers ADD COLUMN address INTEGER;

  -- The day of the last registration or login, counted from 1970: of an account that was never used.
  ALTER TABLE accounts ADD COLUMN seen INTEGER;
  ALTER TABLE accounts ADD COLUMN entered INTEGER;  -- 1 if it has ever logged in

  -- Groups have a rowid now, by which those of one opener are ordered within a day.
  ALTER TABLE groups RENAME TO groups_before;
  CREATE TABLE groups (
    group_id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    opener INTEGER,                  -- a mailbox
    address INTEGER,
    used INTEGER NOT NULL,           -- the day of its last use, counted from 1970
    ended INTEGER                    -- the day on which its members went
  );
  INSERT INTO groups (group_id, epoch, used, ended) SELECT group_id, epoch, unixepoch() / 86400,
    iif(EXISTS (SELECT 1 FROM members m WHERE m.group_id = groups_before.group_id), NULL, unixepoch() / 86400)
    FROM groups_before;
  DROP TABLE groups_before;
  CREATE INDEX groups_by_opener ON groups (opener, used) WHERE opener IS NOT NULL;
  CREATE INDEX groups_by_use ON groups (used);
  CREATE INDEX groups_ended ON groups (ended) WHERE ended IS NOT NULL;
  `,
  `
  -- Until when a package is handed out: Unix milliseconds.
  ALTER TABLE key_packages ADD COLUMN valid_until INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE last_resorts ADD COLUMN valid_until INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE claims ADD COLUMN valid_until INTEGER NOT NULL DEFAULT 0;
  UPDATE key_packages SET valid_until = published_at + 7603200000;
  UPDATE last_resorts SET valid_until = published_at + 7603200000;
  UPDATE claims SET valid_until = published_at + 7603200000;
  DROP INDEX key_packages_by_age;
  DROP INDEX last_resorts_by_age;
  DROP INDEX claims_by_age;
  CREATE INDEX key_packages_by_end ON key_packages (valid_until);
  CREATE INDEX last_resorts_by_end ON last_resorts (valid_until);
  CREATE INDEX claims_by_end ON claims (valid_until);
  `,
  `
  -- Who has one may register a name that is new. Of the invite itself nothing is kept but its hash.
  CREATE TABLE invites (
    id TEXT PRIMARY KEY,             -- by which administrators name it
    hash TEXT NOT NULL UNIQUE,       -- SHA-256 in hex
    uses INTEGER NOT NULL,           -- names that may be registered by it
    used INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER                  -- 1 if an administrator has revoked it
  ) WITHOUT ROWID;
  CREATE INDEX invites_by_end ON invites (expires_at);
  `,
  `
  -- Encrypted files. Their bytes lie beside the database.
  CREATE TABLE blobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,             -- lower-case name of who is charged for it; '' if that account was removed
    address INTEGER,                 -- of the owner
    request_id TEXT NOT NULL,        -- by which a repeat is known as one
    token_hash BLOB NOT NULL,        -- of the token by which it is uploaded
    read_hash BLOB NOT NULL,         -- of the token by which it is fetched
    bytes INTEGER NOT NULL,
    readers INTEGER NOT NULL,
    come INTEGER NOT NULL,           -- bytes that have come; after a crash fewer may be there
    sealed INTEGER,                  -- 1 when all of it is on disk
    touched_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX blobs_by_request ON blobs (owner, request_id) WHERE owner != '';
  CREATE INDEX blobs_by_end ON blobs (expires_at);
  CREATE INDEX blobs_unfinished ON blobs (touched_at) WHERE sealed IS NULL;
  `,
  `
  -- Groups of any number of members.
  ALTER TABLE groups ADD COLUMN team INTEGER;                          -- 1 if it is one
  ALTER TABLE groups ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;      -- nothing of an epoch below is admitted
  ALTER TABLE groups ADD COLUMN pos INTEGER NOT NULL DEFAULT 0;        -- messages in the present epoch of a team
  ALTER TABLE groups ADD COLUMN pos_before INTEGER NOT NULL DEFAULT 0; -- and in the one before
  ALTER TABLE members ADD COLUMN name TEXT;                            -- of a team: lower case
  ALTER TABLE members ADD COLUMN device TEXT;
  ALTER TABLE members ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;    -- the first epoch that it can read
  ALTER TABLE members ADD COLUMN lapsed INTEGER;                       -- 1: it gets nothing until it is added anew
  ALTER TABLE members ADD COLUMN leaves INTEGER;                       -- 1: it has left, and waits to be removed
  ALTER TABLE members ADD COLUMN away_since INTEGER;                   -- when it lapsed or left: Unix ms
  ALTER TABLE members ADD COLUMN adder TEXT;                           -- who is charged until it has said something there
  ALTER TABLE members ADD COLUMN adder_address INTEGER;
  ALTER TABLE members ADD COLUMN rejoined_at INTEGER;                  -- when it has asked last to be added anew
  CREATE INDEX members_by_name ON members (name) WHERE name IS NOT NULL;

  -- Texts that many entries share: fields of their frames, as JSON.
  CREATE TABLE bodies (body INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);
  ALTER TABLE entries ADD COLUMN pos INTEGER;                          -- of a team's message: its place in its epoch
  ALTER TABLE entries ADD COLUMN body INTEGER;
  CREATE INDEX entries_by_body ON entries (body) WHERE body IS NOT NULL;
  ALTER TABLE blobs ADD COLUMN held INTEGER;                           -- the body that names it: it is kept as long as that; below 0 if that is gone
  CREATE INDEX blobs_held ON blobs (held) WHERE held IS NOT NULL;
  ALTER TABLE requests ADD COLUMN answer TEXT;                         -- of what is sent in a team, as JSON

  -- What members have signed to leave a team or to be taken in again, until a commit does it.
  CREATE TABLE statements (
    group_id TEXT NOT NULL,
    name TEXT NOT NULL,              -- lower case
    kind TEXT NOT NULL,              -- leave, rejoin
    statement TEXT NOT NULL,
    offered_to INTEGER NOT NULL,     -- the mailbox that had it last
    tries INTEGER NOT NULL,
    looks INTEGER NOT NULL,          -- how often it was looked in vain for somebody to have it
    due_at INTEGER NOT NULL,         -- when it is offered next
    PRIMARY KEY (group_id, name)
  ) WITHOUT ROWID;
  CREATE INDEX statements_due ON statements (due_at);
  `,
  `
  ALTER TABLE statements ADD COLUMN address INTEGER; -- that it is charged to
  `,
];

/** The version to which {@link migrate} brings a database. */
export const SCHEMA_VERSION = migrations.length;

/** The database is of a newer version than this program knows. */
export class NewerSchemaError extends Error {
  override readonly name = "NewerSchemaError";
  constructor(found: number) {
    super(`The database has schema version ${found}, this relay knows up to ${migrations.length}`);
  }
}

/** Brings a database to the newest version, one transaction a step. */
export function migrate(db: DatabaseSync): void {
  const version = schemaVersion(db);
  if (version > migrations.length) throw new NewerSchemaError(version);
  for (let step = version; step < migrations.length; step++)
    db.exec(`BEGIN; ${migrations[step]}; PRAGMA user_version = ${step + 1}; COMMIT`);
}

/** The version of a database; 0 if it is empty. */
export function schemaVersion(db: DatabaseSync): number {
  return (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
}
