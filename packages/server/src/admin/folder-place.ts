import { lastLines } from "../store/sqlite/audit.ts";
import { check } from "./check.ts";
import { listInvites } from "./invites.ts";
import { perform } from "./perform.ts";
import type { Place } from "./place.ts";
import { openSnapshot } from "./read-only.ts";
import { stats } from "./stats.ts";
import { listUsers, showUser } from "./users.ts";

/** The database in a folder, whether a relay runs on it or not. */
export function folderPlace(db: string): Place {
  return {
    name: db,
    check: async (reserveBytes) => check(db, reserveBytes),
    stats: async () => stats(db),
    async audit(last, only) {
      const database = openSnapshot(db);
      try {
        return lastLines(database, last, only);
      } finally {
        database.close();
      }
    },
    users: async (prefix, limit) => listUsers(db, prefix, limit),
    user: async (name) => showUser(db, name),
    invites: async () => listInvites(db, Date.now()),
    perform: (deed) => perform(db, deed),
    async [Symbol.asyncDispose]() {},
  };
}
