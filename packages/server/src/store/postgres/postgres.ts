import type { StoreOptions } from "../options.ts";
import type { SharedStore } from "../shared.ts";
import type { Entry } from "../store.ts";
import { parseAddress } from "./link/address.ts";
import { type Batch, learnRelays, newMemory } from "./batch.ts";
import { Channel } from "./lane/channel.ts";
import { heedTimeline, joinCluster, newLogId, RENEW_LOG } from "./cluster.ts";
import { decider } from "./decider.ts";
import { type Incarnation, incarnate } from "./lane/incarnation.ts";
import { type Item, ownerOf } from "./items.ts";
import { Lane } from "./lane/lane.ts";
import { heedHangUps, LANE_SETTINGS, PLANS } from "./lane/settings.ts";
import { Link } from "./link/link.ts";
import { refuseMoved } from "./move-marks.ts";
import { Deleting } from "./deleting.ts";
import { postgresStore } from "./postgres-store.ts";
import { openBus } from "./lane/postgres-bus.ts";
import { Reads } from "./reads.ts";

/** What may wait for an engine that is away, or slow, before clients have to. */
const MOST_ITEMS = 20_000;
const MOST_BYTES = 64 * 2 ** 20;

/** The engine's word for a namespace: that of a cluster's tables. */
export const SCHEMA = "aimessage";

interface PostgresOptions extends StoreOptions {
  /** `postgres://user@host1,host2:5432/database` */
  url: string;
  /** The engine's word for a namespace: that of this cluster. Default: aimessage. */
  schema?: string;
  /** How long requests wait for an engine that is away: milliseconds. */
  enginePatience?: number;
}

/**
 * Opens the store of a cluster, making its tables if there are none.
 * @throws LinkError if the engine cannot be reached, AddressError for a URL that is none, EngineError, or what the engine says
 */
export async function openPostgresStore(options: PostgresOptions): Promise<SharedStore> {
  const { url, schema = SCHEMA, limits, onCommit = () => {}, onFenced = () => {}, onNewLog = () => {} } = options;
  const address = parseAddress(url);
  await using parts = new AsyncDisposableStack();
  const { requestsSince, ...state } = await joinCluster(address, schema, options.restored ?? false);
  let { logId } = state;
  const channel = parts.use(new Channel({ address, schema }));
  const incarnation = parts.use(await incarnate({ link: channel.link, schema, onFenced }));
  // Whoever moves the tables sees this life from here on, or had begun before it, which is seen here.
  await refuseMoved(await channel.link.use());
  await channel.listen(incarnation.relay);
  const clock = options.clock ?? (() => incarnation.clock.now());
  const memory = newMemory({ limits, relay: incarnation.relay, requestsSince });
  const deleting = new Deleting();
  const laneLink = parts.use(
    new Link(address, {
      settings: { search_path: schema, ...LANE_SETTINGS, application_name: nameOf(incarnation, "lane") },
      async opened(sql) {
        await heedTimeline(sql);
        await heedHangUps(sql);
        // It may be another engine, to which what is remembered of the former one is unknown, or something else.
        memory.spareMailboxes.length = 0;
        memory.devices.clear();
        memory.charges.clear();
      },
    }),
  );
  const readLink = parts.use(
    new Link(address, {
      settings: {
        search_path: schema,
        ...PLANS,
        application_name: nameOf(incarnation, "reads"),
      },
    }),
  );
  const { enginePatience } = options;
  const reads = new Reads({
    link: readLink,
    clock,
    deletedUpTo: (mailbox) => deleting.of(mailbox),
    patienceMs: enginePatience,
  });
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
      costOf: ({ cost }) => cost,
      isAlone: ({ isAlone }) => isAlone,
      ownerOf,
      onCommit,
      onForgot: () => {
        hasForgotten = true;
        void follow();
      },
      ...(enginePatience === undefined ? {} : { patience: { engineMs: enginePatience } }),
    }),
  );
  /** Gives the logs a new id, or takes over that which another relay has given them. */
  function setLog(id: string, why: string): void {
    if (id === logId) return;
    logId = id;
    onNewLog(why);
  }
  /** Until it is done: nothing tells of it a second time. */
  let hasForgotten = false;
  const follow = parts.use(
    followCluster(async () => {
      if (hasForgotten) {
        await reads.ask(RENEW_LOG, [newLogId(), logId]);
        hasForgotten = false;
      }
      const rows = await reads.ask<{ relay: number; log_id: string }>(
        "SELECT relay, (SELECT value FROM meta WHERE key = 'log_id') AS log_id FROM relays",
      );
      learnRelays(memory, rows);
      setLog(rows[0]?.log_id ?? logId, "the engine does not have all that it had told to be committed");
    }),
  );
  const bus = openBus({ channel, relay: incarnation.relay });
  const running = parts.move();
  const store = postgresStore({
    memory,
    lane,
    reads,
    clock,
    logId: () => logId,
    isFenced: () => incarnation.isFenced,
    deleting,
    superseded: (relay, mailbox, claim) => channel.tell(relay, { type: "superseded", mailbox, claim }),
    watch: (listener) => void (stored = listener),
    end: () => running.disposeAsync(),
  });
  return Object.defineProperties(store, {
    bus: { value: bus },
    clock: { value: clock },
    isReady: { get: () => incarnation.isReady },
    isBehind: { get: () => lane.waiting.items > MOST_ITEMS || lane.waiting.bytes > MOST_BYTES },
    changed: { value: (mailboxes: readonly number[]) => reads.changed(mailboxes) },
  }) as SharedStore;
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

/** How often it is asked which relays live, and what id the logs have. Milliseconds. */
const LOOK_MS = 1_000;

/** What other relays have changed for all. */
function followCluster(look: () => Promise<void>): (() => Promise<void>) & Disposable {
  let isLooking = false;
  const lookOnce = async (): Promise<void> => {
    // While the engine is away one question waits, and no other behind it.
    if (isLooking) return;
    isLooking = true;
    await look().catch(() => {});
    isLooking = false;
  };
  const timer = setInterval(() => void lookOnce(), LOOK_MS);
  timer.unref();
  void lookOnce();
  return Object.assign(lookOnce, { [Symbol.dispose]: () => clearInterval(timer) });
}
