import { randomBytes } from "node:crypto";
import type { Bus } from "../bus.ts";
import type { StoreOptions } from "../options.ts";
import type { Entry, RelayStore } from "../store.ts";
import { type Address, parseAddress } from "./link/address.ts";
import { type Batch, learnRelays, type Memory, newMemory, RELAYS } from "./batch.ts";
import { Channel } from "./lane/channel.ts";
import { decider } from "./decider.ts";
import { type Incarnation, incarnate } from "./lane/incarnation.ts";
import type { Item } from "./items.ts";
import { Lane, LANE_SETTINGS } from "./lane/lane.ts";
import { Link, type Sql } from "./link/link.ts";
import { Deleting, postgresStore } from "./postgres-store.ts";
import { openBus } from "./lane/postgres-bus.ts";
import { Reads } from "./reads.ts";
import { RELAYS_SCHEMA } from "./lane/relays-schema.ts";
import { TABLES_SCHEMA } from "./tables/tables-schema.ts";
import { createDay, LOCK_SCHEMA } from "./tables/upkeep.ts";
import { dayOf } from "../days.ts";

export interface PostgresOptions extends StoreOptions {
  /** `postgres://user@host1,host2:5432/database` */
  url: string;
  /** The engine's word for a namespace: that of this cluster. Default: aimessage. */
  schema?: string;
  /** Another relay has declared this one dead, or the engine cannot be reached: it writes nothing any more. */
  onFenced?: (why: string) => void;
}

/** A store that several relays share, and what connects them. */
export interface PostgresStore extends RelayStore {
  readonly bus: Bus;
  /** The engine was heard of just now. */
  readonly isReady: boolean;
}

/**
 * Opens the store of a cluster, making its tables if there are none.
 * @throws LinkError if the engine cannot be reached, TypeError for a URL that is none, or what the engine says
 */
export async function openPostgresStore(options: PostgresOptions): Promise<PostgresStore> {
  const { url, schema = "aimessage", limits, onCommit = () => {}, onFenced = () => {} } = options;
  const address = parseAddress(url);
  await using parts = new AsyncDisposableStack();
  const { logId, requestsSince } = await prepare(address, schema, options.restored ?? false);
  const channel = parts.use(new Channel({ address, schema }));
  const incarnation = parts.use(await incarnate({ link: channel.link, schema, onFenced }));
  await channel.listen(incarnation.relay);
  const clock = options.clock ?? (() => incarnation.clock.now());
  const memory = newMemory({ limits, relay: incarnation.relay, requestsSince });
  const deleting = new Deleting();
  const laneLink = parts.use(
    new Link(address, {
      settings: { search_path: schema, ...LANE_SETTINGS, application_name: nameOf(incarnation, "lane") },
    }),
  );
  const readLink = parts.use(
    new Link(address, {
      settings: {
        search_path: schema,
        plan_cache_mode: "force_generic_plan",
        application_name: nameOf(incarnation, "reads"),
      },
    }),
  );
  const reads = new Reads(readLink, clock, (mailbox) => deleting.of(mailbox));
  let stored: ((entries: Entry[]) => void) | undefined;
  const announce = (batch: Batch): void => {
    if (batch.added.length === 0) return;
    stored?.([...batch.added]);
    wakeOthers(batch, { channel, relay: incarnation.relay });
  };
  const lane = parts.use(
    new Lane<Item>({
      link: laneLink,
      incarnation,
      decide: decider({ memory, clock, onCommitted: announce }),
      sizeOf: ({ bytes }) => bytes,
      isAlone: ({ isAlone }) => isAlone,
      onCommit,
      onForgot: () => {},
    }),
  );
  const living = followLiving(reads, memory);
  parts.defer(() => living());
  const bus = openBus({ channel, relay: incarnation.relay });
  const running = parts.move();
  const store = postgresStore({
    memory,
    lane,
    reads,
    clock,
    logId: () => logId,
    deleting,
    superseded: (relay, mailbox, claim) => channel.tell(relay, { type: "superseded", mailbox, claim }),
    watch: (listener) => void (stored = listener),
    end: () => running.disposeAsync(),
  });
  return Object.defineProperties(store, {
    bus: { value: bus },
    isReady: { get: () => incarnation.isReady },
  }) as PostgresStore;
}

function nameOf({ relay }: Incarnation, what: string): string {
  return `aimessage relay ${relay} ${what}`;
}

/** Relays that have stored nothing hear of it where they push. One that is dead does not, which is known later than that another has begun. */
function wakeOthers(batch: Batch, { channel, relay }: { channel: Channel; relay: number }): void {
  const mailboxes = new Map<number, Set<number>>();
  for (const { mailbox } of batch.added) {
    const listener = batch.boxes.get(mailbox)?.listener;
    if (listener === null || listener === undefined || listener === relay) continue;
    const known = mailboxes.get(listener);
    if (known === undefined) mailboxes.set(listener, new Set([mailbox]));
    else known.add(mailbox);
  }
  for (const [other, all] of mailboxes) channel.tell(other, { type: "wake", mailboxes: [...all] });
}

/** How often it is asked which relays live. Milliseconds. */
const LIVING_MS = 1_000;

function followLiving(reads: Reads, memory: Memory): () => void {
  const look = async (): Promise<void> => learnRelays(memory, await reads.ask<{ relay: number }>(RELAYS));
  const timer = setInterval(() => void look().catch(() => {}), LIVING_MS);
  timer.unref();
  void look().catch(() => {});
  return () => clearInterval(timer);
}

/** Has the tables there, once whoever comes first has made them. */
async function prepare(
  address: Address,
  schema: string,
  restored: boolean,
): Promise<{ logId: string; requestsSince: number }> {
  await using link = new Link(address, { settings: { search_path: schema } });
  const sql = await link.use();
  await sql("BEGIN");
  await sql("SELECT pg_advisory_xact_lock($1::bigint)", [LOCK_SCHEMA]);
  const [known] = await sql("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (known === undefined) await sql(`CREATE SCHEMA ${schema}; ${TABLES_SCHEMA} ${RELAYS_SCHEMA}`);
  // Whoever makes one keeps all others out for a moment: so nobody has to who comes first on this day.
  for (const day of [0, 1]) await sql(createDay(dayOf(Date.now()) + day));
  const logId = await readLogId(sql, restored);
  const [since] = await sql<{ value: string }>("SELECT value FROM meta WHERE key = 'requests_since'", []);
  await sql("COMMIT");
  return { logId, requestsSince: Number(since?.value ?? 0) };
}

async function readLogId(sql: Sql, renew: boolean): Promise<string> {
  if (renew) await sql("DELETE FROM meta WHERE key = 'log_id'", []);
  await sql("INSERT INTO meta VALUES ('log_id', $1) ON CONFLICT DO NOTHING", [randomBytes(16).toString("hex")]);
  const [row] = await sql<{ value: string }>("SELECT value FROM meta WHERE key = 'log_id'", []);
  return row?.value ?? "";
}
