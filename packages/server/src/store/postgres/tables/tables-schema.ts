import { TOTALS_SCHEMA } from "./boxes.ts";

const PARTITIONS = 16;

/** What a relay keeps, in the schema to which `search_path` leads. As of SQLite, but that decisions find most of what they need in the row of a mailbox. */
export const TABLES_SCHEMA = `
CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
-- Places of entries: block * 1024 and up.
CREATE SEQUENCE blocks;
CREATE SEQUENCE mailbox_numbers;

CREATE TABLE accounts (
  name text PRIMARY KEY,           -- lower case
  username text NOT NULL,          -- as registered
  kind text NOT NULL,              -- token, key, removed
  mailbox bigint,
  address bigint
);
-- What of a device and its account never changes.
CREATE TABLE devices (
  mailbox bigint PRIMARY KEY,
  device_key bytea,
  certificate bytea,
  counter bigint NOT NULL DEFAULT 0,
  identity_key bytea,
  derived_key bytea
);
-- Half of each page is left free: most changes of a row find room beside it, and touch no index.
CREATE TABLE mailboxes (
  mailbox bigint PRIMARY KEY,
  name text NOT NULL,
  device text NOT NULL,            -- '' of a token account, and of a name that nobody has registered
  closed text,                     -- why nobody reads it any more: device_replaced, unregistered
  drained boolean NOT NULL DEFAULT false,
  username text,                   -- of the account whose present mailbox it is
  kind text,
  disabled boolean NOT NULL DEFAULT false,
  address bigint,
  seen bigint NOT NULL DEFAULT 0,
  entered boolean NOT NULL DEFAULT false,
  login_counter bigint NOT NULL DEFAULT 0,
  last_seq bigint NOT NULL DEFAULT 0,
  read_seq bigint NOT NULL DEFAULT 0,
  last_request text,
  listener bigint,
  claim bigint NOT NULL DEFAULT 0,
  ${TOTALS_SCHEMA}
) WITH (fillfactor = 50);
CREATE INDEX mailboxes_by_name ON mailboxes (name, device);
CREATE UNIQUE INDEX mailboxes_of_names ON mailboxes (name) WHERE device = '' AND closed IS NULL;
CREATE INDEX mailboxes_closed ON mailboxes (mailbox) WHERE closed IS NOT NULL AND NOT drained;
CREATE INDEX mailboxes_listened ON mailboxes (listener) WHERE listener IS NOT NULL;

CREATE TABLE entries (
  mailbox bigint NOT NULL,
  seq bigint NOT NULL,
  sender text NOT NULL,
  from_name text NOT NULL,
  device text,
  kind text NOT NULL,
  session_id text,
  group_id text,
  epoch bigint,
  message_id text NOT NULL,
  expires_at bigint,
  stored_at bigint NOT NULL,
  bytes bigint NOT NULL,
  status text,
  reason text,
  unknown boolean NOT NULL,
  stranger boolean NOT NULL,
  address bigint,
  pos bigint,
  body bigint,
  message text NOT NULL,
  PRIMARY KEY (mailbox, seq)
) PARTITION BY HASH (mailbox);
${Array.from(
  { length: PARTITIONS },
  (
    _,
    part,
  ) => `CREATE TABLE entries_${part} PARTITION OF entries FOR VALUES WITH (MODULUS ${PARTITIONS}, REMAINDER ${part})
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000);
ALTER TABLE entries_${part} ALTER COLUMN message SET STORAGE EXTERNAL;`,
).join("\n")}
CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX entries_by_age ON entries USING brin (stored_at);
CREATE INDEX entries_unknown ON entries (sender) WHERE unknown;
CREATE INDEX entries_by_body ON entries (body) WHERE body IS NOT NULL;
CREATE TABLE bodies (body bigint PRIMARY KEY, text text NOT NULL, files boolean NOT NULL);
ALTER TABLE bodies ALTER COLUMN text SET STORAGE EXTERNAL;

CREATE TABLE requests (
  sender bigint NOT NULL,
  id bytea NOT NULL,               -- of the kind and the id: 16 bytes of the SHA-256
  digest bytea NOT NULL,
  mailbox bigint NOT NULL,         -- the recipient's
  seq bigint NOT NULL,
  at bigint NOT NULL,
  answer text
) PARTITION BY RANGE (at);
-- Under its sender's lock nobody else makes the same; one that is forgotten may lie beside a new one until its day is dropped.
CREATE INDEX requests_by_id ON requests (sender, id);

CREATE TABLE groups (
  number bigint GENERATED ALWAYS AS IDENTITY,
  group_id text PRIMARY KEY,
  epoch bigint NOT NULL,
  opener bigint,
  address bigint,
  used bigint NOT NULL,
  ended bigint,
  team boolean NOT NULL,
  floor bigint NOT NULL,
  pos bigint NOT NULL,
  pos_before bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX groups_by_opener ON groups (opener, used) WHERE NOT team;
CREATE INDEX groups_by_use ON groups (used);
CREATE INDEX groups_ended ON groups (ended) WHERE ended IS NOT NULL;
CREATE TABLE members (
  group_id text NOT NULL,
  mailbox bigint NOT NULL,
  name text NOT NULL,
  device text NOT NULL,
  team boolean NOT NULL,
  joined bigint NOT NULL,
  lapsed boolean NOT NULL,
  leaves boolean NOT NULL,
  away_since bigint,
  adder text,
  adder_address bigint,
  rejoined_at bigint,
  PRIMARY KEY (group_id, mailbox)
);
CREATE INDEX members_by_mailbox ON members (mailbox);
CREATE INDEX members_by_name ON members (name) WHERE team;
CREATE TABLE statements (
  group_id text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  statement text NOT NULL,
  offered_to bigint NOT NULL,
  tries bigint NOT NULL,
  looks bigint NOT NULL,
  due_at bigint NOT NULL,
  address bigint,
  PRIMARY KEY (group_id, name)
);
CREATE INDEX statements_due ON statements (due_at);
CREATE INDEX statements_by_name ON statements (name);

-- A package that was handed out keeps its row without the bytes, so that publishing it again does not hand it out twice.
CREATE TABLE key_packages (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  mailbox bigint NOT NULL,
  digest bytea NOT NULL,
  package bytea,
  address bigint,
  published_at bigint NOT NULL,
  valid_until bigint NOT NULL,
  UNIQUE (mailbox, digest)
);
CREATE INDEX key_packages_left ON key_packages (mailbox, number) WHERE package IS NOT NULL;
CREATE INDEX key_packages_gone ON key_packages (mailbox, number) WHERE package IS NULL;
CREATE INDEX key_packages_by_end ON key_packages (valid_until);
CREATE TABLE last_resorts (mailbox bigint PRIMARY KEY, package bytea NOT NULL, address bigint, published_at bigint NOT NULL, valid_until bigint NOT NULL);
CREATE INDEX last_resorts_by_end ON last_resorts (valid_until);
CREATE TABLE claims (
  claimant bigint NOT NULL,
  mailbox bigint NOT NULL,
  package bytea NOT NULL,
  address bigint,
  published_at bigint NOT NULL,
  valid_until bigint NOT NULL,
  claimed_at bigint NOT NULL,
  PRIMARY KEY (claimant, mailbox)
);
CREATE INDEX claims_by_owner ON claims (mailbox);
CREATE INDEX claims_by_time ON claims (claimed_at);
CREATE INDEX claims_by_end ON claims (valid_until);

CREATE TABLE peers (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL,
  peer text NOT NULL,
  blocked boolean NOT NULL,
  address bigint,
  UNIQUE (owner, peer)
);

CREATE TABLE addresses (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, address text NOT NULL UNIQUE, accounts bigint NOT NULL DEFAULT 0);
-- What addresses and accounts have lying here: the sum over relays, of which each changes its own rows alone.
CREATE TABLE charges (payer text NOT NULL, relay bigint NOT NULL, bytes bigint NOT NULL, PRIMARY KEY (payer, relay)) WITH (fillfactor = 50);

-- What may be taken again, and when all of it: nothing that is kept for long, and nothing that moves with a relay.
CREATE TABLE allowances (key text PRIMARY KEY, full_at bigint NOT NULL);
CREATE INDEX allowances_by_end ON allowances (full_at);

CREATE TABLE invites (
  id text PRIMARY KEY,
  hash text NOT NULL UNIQUE,
  uses bigint NOT NULL,
  used bigint NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  revoked boolean NOT NULL
);
CREATE INDEX invites_by_end ON invites (expires_at);

CREATE TABLE blobs (
  id text PRIMARY KEY,
  owner text NOT NULL,             -- '' if that account was removed
  address bigint,
  request_id text NOT NULL,
  token_hash bytea NOT NULL,
  read_hash bytea NOT NULL,
  bytes bigint NOT NULL,
  readers bigint NOT NULL,
  come bigint NOT NULL,
  sealed boolean NOT NULL,
  held bigint,
  touched_at bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE UNIQUE INDEX blobs_by_request ON blobs (owner, request_id) WHERE owner <> '';
CREATE INDEX blobs_by_end ON blobs (expires_at);
CREATE INDEX blobs_unfinished ON blobs (touched_at) WHERE NOT sealed;
CREATE INDEX blobs_held ON blobs (held) WHERE held IS NOT NULL;

CREATE TABLE audit (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,              -- deed, refusal
  at bigint NOT NULL,
  who text NOT NULL,
  what text NOT NULL,
  target text,
  outcome text,
  count bigint
);
CREATE INDEX audit_by_kind ON audit (kind, number);
CREATE UNIQUE INDEX audit_refusals ON audit (at, what, who) WHERE kind = 'refusal';
`;
