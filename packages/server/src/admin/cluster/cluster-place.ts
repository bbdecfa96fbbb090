import { defaultLimits } from "../../config/limits.ts";
import { SCHEMA_VERSION } from "../../store/postgres/cluster.ts";
import { refuseMoved } from "../../store/postgres/move-marks.ts";
import { checkTables } from "../../store/postgres/check.ts";
import { parseAddress } from "../../store/postgres/link/address.ts";
import { Link, type Sql } from "../../store/postgres/link/link.ts";
import { openPostgresStore, SCHEMA } from "../../store/postgres/postgres.ts";
import { nameOfStore } from "../../store/postgres/link/store-name.ts";
import { type AuditRow, toLine } from "../../store/postgres/reads.ts";
import type { Deed, DeedDone } from "../../store/store.ts";
import { AdminError } from "../admin-error.ts";
import type { Invite } from "../invites.ts";
import type { Place } from "../place.ts";
import { clusterStats } from "./cluster-stats.ts";
import { listClusterUsers, showClusterUser } from "./cluster-users.ts";

/**
 * What the relays of a cluster share, whether some run or not.
 * @throws AdminError if there is no cluster, LinkError, AddressError, EngineError, or what the engine says
 */
export async function openClusterPlace(url: string): Promise<Place> {
  const name = nameOfStore(url);
  await using parts = new AsyncDisposableStack();
  const link = parts.use(
    new Link(parseAddress(url), { settings: { search_path: SCHEMA, application_name: "aimessage administrator" } }),
  );
  /** Asks about one moment. */
  async function look<T>(question: (sql: Sql) => Promise<T>): Promise<T> {
    const sql = await link.use();
    await sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    try {
      return await question(sql);
    } finally {
      await sql("COMMIT");
    }
  }
  await look(async (sql) => {
    const [found] = await sql<{ there: boolean }>("SELECT to_regclass('relays') IS NOT NULL AS there", []);
    if (found?.there !== true)
      throw new AdminError(
        `There is no cluster in ${name} that this user may see`,
        "name the user that its relays have; a relay that is started with this --store makes one",
      );
    await refuseMoved(sql);
  });
  const running = parts.move();
  return {
    name,
    async check() {
      const problems = await checkTables(url, SCHEMA);
      return { ok: problems.length === 0, schema_version: SCHEMA_VERSION, problems };
    },
    stats: () => look(clusterStats),
    audit: (last, only) =>
      look(async (sql) => {
        const rows = await sql<AuditRow>(AUDIT, [only ?? null, last]);
        return rows.toReversed().map(toLine);
      }),
    users: (prefix, limit) => look((sql) => listClusterUsers(sql, prefix, limit)),
    user: (username) => look((sql) => showClusterUser(sql, username)),
    invites: () => look(async (sql) => [...(await sql<Invite>(INVITES, []))]),
    perform: (deed) => perform(url, deed),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Decides as a relay does, in a short life of its own, and has all relays end at once what it ends. */
async function perform(url: string, deed: Deed): Promise<DeedDone["outcome"]> {
  await using store = await openPostgresStore({ url, limits: defaultLimits() });
  const { outcome, mailbox } = await store.administer(deed);
  if (outcome === "done" && mailbox !== undefined && (deed.what === "remove" || deed.what === "disable"))
    store.bus.evict({ mailbox, username: deed.target }, deed.what === "remove" ? "removed" : "disabled");
  return outcome;
}

const AUDIT = "SELECT * FROM audit WHERE $1::text IS NULL OR kind = $1 ORDER BY number DESC LIMIT $2::bigint";

const INVITES = `SELECT id, uses, used, created_at, expires_at, CASE WHEN revoked THEN 'revoked' WHEN used >= uses THEN 'used_up'
    WHEN expires_at <= extract(epoch FROM clock_timestamp()) * 1000 THEN 'expired' ELSE 'open' END AS state
  FROM invites ORDER BY created_at, id`;
