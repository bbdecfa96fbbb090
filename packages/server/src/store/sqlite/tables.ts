import type { DatabaseSync } from "node:sqlite";
import { accountsTable } from "./accounts.ts";
import { addressesTable } from "./addresses.ts";
import { auditTable } from "./audit.ts";
import { blobsTable } from "./blobs.ts";
import { bodiesTable } from "./bodies.ts";
import { BoundedMap } from "../bounded-map.ts";
import type { Tables } from "../decisions/tables.ts";
import { groupsTable } from "./groups.ts";
import { invitesTable } from "./invites.ts";
import { keyPackagesTable } from "./key-packages.ts";
import { mailTable } from "./mail.ts";
import { peersTable } from "./peers.ts";
import { requestsTable } from "./requests.ts";
import { statementsTable } from "./statements.ts";
import { allowancesInMemory } from "../allowances.ts";
import type { Entry, StoreLimits } from "../store.ts";

interface TableOptions {
  limits: StoreLimits;
  clock: () => number;
  /** Told of each entry that is added. */
  announce: (entry: Entry) => void;
  /** Whether a mailbox is being pushed to a connection. */
  isListening: (mailbox: number) => boolean;
}

/** All tables of a database: together they are what decisions work on. */
export function openTables(db: DatabaseSync, { limits, clock, announce, isListening }: TableOptions) {
  const addresses = addressesTable(db, limits);
  const invites = invitesTable(db, clock);
  const accounts = accountsTable(db);
  const peers = peersTable(db, addresses, limits.peers);
  const statements = statementsTable(db, addresses);
  const groups = groupsTable(db, { addresses, statements }, limits, clock);
  const requests = requestsTable(db, limits.rememberedRequests, clock);
  const keyPackages = keyPackagesTable(db, addresses, limits, clock);
  const mail = mailTable(db, addresses, bodiesTable(db, clock), announce);
  const blobs = blobsTable(db, addresses, limits, clock);
  const audit = auditTable(db, clock);
  return {
    limits,
    isListening,
    addresses,
    invites,
    accounts,
    peers,
    groups,
    requests,
    keyPackages,
    mail,
    statements,
    blobs,
    audit,
    allowances: allowancesInMemory(clock),
    heard: new BoundedMap<number, number>(),

    /** Drops everything that is remembered of the database: it may never have been stored. */
    forget(): void {
      for (const table of [accounts, groups, mail, peers, addresses, blobs]) table.forget();
    },
  } satisfies Tables & Record<string, unknown>;
}
