import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { becomeOwnerOf } from "@aimessage/sdk/program";
import { WebSocketServer } from "ws";
import { openBlobs } from "./blobs/open.ts";
import { answerBlob } from "./blobs/http.ts";
import { transfers } from "./socket/transfers.ts";
import { openDesk } from "./admin/desk.ts";
import { administer } from "./admin/administer.ts";
import { BEHIND_MS, REFUSED_PAUSE_MS } from "./socket/bounds.ts";
import { keepCertificate } from "./socket/certificate.ts";
import { type Config, defaultConfig } from "./config/config.ts";
import { Connection } from "./socket/connection.ts";
import type { Context } from "./context.ts";
import { crowd } from "./socket/crowd.ts";
import { descriptorsLeft } from "./socket/descriptors.ts";
import { Delivery, type DeliveryOptions } from "./delivery/delivery.ts";
import { evictor } from "./evict.ts";
import { forASecond } from "./for-a-second.ts";
import { gate, refuse } from "./socket/gate.ts";
import { Heap } from "./socket/heap.ts";
import { unfinished } from "./socket/held.ts";
import { type Hindrances, httpServer, metricsServer } from "./http.ts";
import { addressOf, networksOf } from "./socket/request.ts";
import { Hub } from "./delivery/hub.ts";
import { chargeUnread } from "./socket/intake.ts";
import { keepAlive } from "./socket/keep-alive.ts";
import { defaultLimits, type Limits } from "./config/limits.ts";
import { createLog, type Log } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { withoutFiles } from "./config/files.ts";
import { ownUrl, relayNames } from "./config/names.ts";
import { startOffers } from "./offers.ts";
import { Bucket, Buckets } from "./socket/rate-limit.ts";
import { Refusals } from "./refusals.ts";
import { shutDown } from "./shutdown.ts";
import { asStartupError } from "./startup-error.ts";
import { engineLog, sayWhatIsLost, storageLog } from "./storage-log.ts";
import { openStore } from "./open-store.ts";
import { isShared } from "./store/shared.ts";
import { boundSockets } from "./socket/sockets.ts";
import { SteadyClock } from "./config/steady-clock.ts";
import { startRounds } from "./rounds.ts";
import { startSweeps } from "./sweeps.ts";
import { FanOut } from "./socket/fan-out.ts";
import { tokenKeys } from "./handlers/token-keys.ts";
import { Turns } from "./socket/turns.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** Pieces of one message, and of what the system has read of it: each takes a hundred bytes, however small it is. [P-1.3] */
const MAX_FRAGMENTS = 256;
const MAX_CHUNKS = 4096;

/** So often it is looked whether mailboxes that could not be read can be. Milliseconds. */
const ENGINE_MS = 1_000;

/** What differs from the defaults. Limits that are not named keep theirs; `noLimits` lifts rates and quotas. */
export type RelayOptions = Partial<Omit<Config, "limits">> & { limits?: Partial<Limits>; noLimits?: boolean };

/** A relay that serves. Disposing of it shuts it down gracefully. */
export interface Relay extends AsyncDisposable {
  /** `ws://localhost:8080/ws` */
  readonly url: string;
  readonly port: number;
  /** Where `/metrics` is, if it has a port of its own. */
  readonly metricsPort: number | undefined;
  /** Reads the TLS certificate and its key anew. */
  reload(): void;
  /** Names that clients may sign at login. */
  readonly names: readonly string[];
  /** Resolves with the reason when other relays of a cluster take this one for dead: it is to end, and may start anew. */
  readonly fenced: Promise<string>;
}

/**
 * Starts a relay.
 * @throws StartupError if the port or the database is not to be had; its message is a sentence for people.
 */
export async function createRelay(options: RelayOptions = {}): Promise<Relay> {
  const { limits, noLimits = false, ...rest } = options;
  const config = withoutFiles({
    ...defaultConfig,
    log: "silent",
    ...rest,
    limits: { ...defaultLimits(noLimits), ...limits },
  });
  try {
    return await start(config);
  } catch (error) {
    throw asStartupError(error, config);
  }
}

async function start(config: Config): Promise<Relay> {
  const metrics = createMetrics(
    forASecond(() => store.depth()),
    forASecond(() => store.blobs.totals()),
  );
  const log = createLog(config.log, () => metrics.logLineLost());
  await using parts = new AsyncDisposableStack();
  const connections = new Set<Connection>();
  const steady = new SteadyClock(config.clock, config.uptime, (ahead, isNew) => {
    logJump(log, ahead);
    // Agents have measured the relay's time at their login, and say by it when their messages expire.
    if (isNew && !isShared(store))
      for (const connection of connections) if (connection.login?.kind === "key") connection.goAway();
  });
  parts.use(steady);
  const fenced = Promise.withResolvers<string>();
  let isFenced = false;
  const store = parts.use(
    await openStore(config, {
      limits: config.limits,
      clock: steady.now,
      onCommit: (milliseconds) => metrics.committed(milliseconds),
      restored: config.restored,
      onHindrance: storageLog(log, config),
      onFenced(why) {
        log.error(`this relay is no part of its cluster any more, and ends: ${why}`);
        isFenced = true;
        fenced.resolve(why);
      },
      onNewLog(why) {
        log.error(`mail that was acknowledged may be lost, and agents open their conversations anew: ${why}`);
        for (const connection of connections) connection.goAway();
      },
    }),
  );
  const clock = isShared(store) ? store.clock : steady.now;
  parts.defer(() => sayWhatIsLost(store, log));
  if (isShared(store)) parts.use(engineLog(store, log, config));
  const left = descriptorsLeft(config.limits);
  const heap = config.ownProcess ? new Heap() : undefined;
  const onCarried = (bytes: number): void => heap?.carry(bytes);
  const blobs = parts.use(openBlobs(config, { store, keptOpen: left?.keptOpen, clock, log, onCarried }));
  const { strangers: most, addressStrangers: share } = config.limits;
  // A login takes less than a second: what only stays gives way.
  const strangers = crowd({ most, share, between: "oldest" }, () => metrics.crowdedOut());
  const bus = isShared(store) ? store.bus : config.bus;
  const hub = new Hub({ connections: config.limits.accountConnections, bus, store });
  const evict = evictor(hub, blobs);
  const offers = parts.use(startOffers(store, hub, log, clock));
  const rounds = parts.use(startRounds({ store, hub, evict, offersSoon: offers.soon, log }));
  bus.hear({
    evict(account, why) {
      evict(account, why);
      // Whoever has removed it may be no relay, and sweep nothing.
      if (why === "removed") sweeps.soon();
    },
    superseded: (mailbox, claim) => hub.superseded(mailbox, claim),
    freed: (mailbox) => hub.freed(mailbox),
    signed: offers.soon,
    wake: (mailboxes) => hub.wake(mailboxes),
    missed: () => rounds.soon(),
    hand: (mailbox, frame) => hub.handHere(mailbox, frame),
  });
  const refusals = parts.use(new Refusals(store, clock, log));
  const sweeps = parts.use(startSweeps(store, metrics, log, clock));
  store.watch((entries) => {
    metrics.stored.inc(entries.length);
    hub.stored(entries);
    if (entries.length > 0) blobs.pace.mail();
    for (const { expiresAt } of entries) if (expiresAt !== undefined) sweeps.at(expiresAt);
  });
  const rates = ratesOf(config.limits);
  const withoutEngine = new WaitingRoom<Delivery>({
    lookMs: ENGINE_MS,
    isOpen: () => !isShared(store) || store.isReady,
    go: (delivery) => delivery.wake(),
  });
  const deliveries: DeliveryOptions = {
    store,
    inFlightMessages: config.limits.inFlightMessages,
    inFlightBytes: config.limits.inFlightBytes,
    clock,
    onExpired: sweeps.soon,
    onUnread: ({ login }, bytes) => login !== undefined && chargeUnread(rates, login.name, bytes),
    onAway: (delivery) => withoutEngine.add(delivery),
    onError: (error) => log.error({ err: error }, "mailbox cannot be read"),
  };
  const isBehind = (): boolean => isShared(store) && store.isBehind;
  const context: Context = {
    config,
    store,
    blobs,
    hub,
    strangers,
    unfinished: unfinished(config.limits),
    turns: new Turns(heap),
    metrics,
    refusals,
    log,
    names: [],
    clock,
    rates,
    tokenKeys: tokenKeys(),
    evict: (account, why, except) => {
      evict(account, why, except);
      bus.evict(account, why);
    },
    isBehind,
    behind: new WaitingRoom({ lookMs: BEHIND_MS, isOpen: () => !isBehind(), go: (connection) => connection.goOn() }),
    sweepSoon: sweeps.soon,
    offersSoon() {
      offers.soon();
      bus.signed();
    },
    listens: offers.listens,
    deliver: (mailbox, session, listening) => new Delivery(session, { mailbox, ...listening }, deliveries),
  };

  // 'close' follows; ws has closed with the right code (1009, 1007, 1002).
  const failed = (error: Error): void => log.debug({ err: error.message }, "connection failed");
  const { admit, visit } = gate(config, {
    names: () => context.names,
    hasRoom: (address) => open.hasRoomFor(networksOf(address)) || bounds.refused(),
    onRefused: (address, status) => refusals.count(`http_${status}`, address),
  });
  let isStopping = false;
  const hindrance: Hindrances = {
    async all() {
      if (!server.listening || isStopping) return "shutting_down";
      // Its heartbeats tell, at once, where a question would wait for an engine that is away.
      if (isShared(store)) return store.isReady ? undefined : "internal";
      // Of a mailbox that nobody has: whether the store can be read at all.
      return (await store.look(0)).highWater === 0 ? store.hindrance() : "internal";
    },
    files: async () => ((await blobs.isThere()) ? undefined : "storage_lost"),
  };
  const files = transfers(config, {
    most: left?.transfers,
    names: () => context.names,
    admitted: (socket) => bounds.admitted(socket),
    onRefused: (address) => refusals.count("http_429", address),
  });
  const fileRefused = (status: number, address: string): void => {
    metrics.refused(`http_${status}`);
    // Those that come too often were counted where that was seen.
    if (status !== 429) refusals.count(`http_${status}`, address);
  };
  const door = { config, blobs, store, visit, ...files };
  const answerFile = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.once("finish", () => {
      if (response.statusCode >= 400) fileRefused(response.statusCode, addressOf(request, config.trustProxy));
    });
    await answerBlob(request, response, door);
  };
  const server = httpServer(config, metrics, hindrance, visit, answerFile);
  const bounds = boundSockets(server, config, { left, metrics, log });
  const open = crowd({ most: bounds.most, share: bounds.most, between: "newest" }, () => metrics.crowdedOut());
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    // By itself ws ends a connection that pings sixty times before what is written leaves, which is once a turn.
    autoPong: false,
    maxPayload: config.limits.frameBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    clientTracking: false,
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", destroy);
    if (!server.listening) return refuse(socket, 503, "Shutting down");
    const address = admit(request, socket);
    if (address === undefined) return undefined;
    return sockets.handleUpgrade(request, socket, head, (webSocket) => {
      bounds.admitted(socket);
      const connection = new Connection(context, webSocket, socket, address);
      webSocket.on("error", failed);
      connections.add(connection);
      for (const group of [open, strangers]) group.hold(connection, 1);
      metrics.connections.inc();
      webSocket.on("close", () => {
        connections.delete(connection);
        connection.gone();
        for (const share of [open, strangers, context.unfinished]) share.hold(connection, 0);
        metrics.connections.dec();
        hub.leave(connection);
        if (connection.login !== undefined) log.info({ user: connection.login.username }, "disconnected");
      });
    });
  });
  const certificate =
    config.tls === undefined ? undefined : parts.use(keepCertificate(server as TlsServer, config.tls, log));
  await listening(server, config);
  const metricsPort = config.metrics === undefined ? undefined : await openMetrics(config.metrics, metrics, parts);
  parts.defer(async () => {
    isStopping = true;
    await shutDown(server, connections, isShared(store) && !isFenced ? config.drain : undefined);
  });
  if (config.ownProcess && config.store === "sqlite") becomeOwnerOf(config.db);
  // Other processes cannot reach a store of another kind.
  if (config.store === "sqlite") parts.use(await openDesk(config.db, (deed) => administer(context, deed), clock, log));
  const { port } = server.address() as AddressInfo;
  context.names.push(...relayNames(config, port));
  parts.use(keepAlive(connections, context));
  const running = parts.move();
  return {
    url: ownUrl(config, port),
    port,
    metricsPort,
    reload: () => {
      if (certificate === undefined) log.info("there is no certificate to read anew");
      else certificate.renew();
    },
    names: context.names,
    fenced: fenced.promise,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Connections that wait to be accepted: the system has each try again after a second, and later, for which there is no room. */
const BACKLOG = 4096;

async function listening(server: Server, { port, host }: { port: number; host: string }): Promise<void> {
  server.listen({ port, host, backlog: BACKLOG });
  await once(server, "listening");
}

async function openMetrics(
  where: NonNullable<Config["metrics"]>,
  metrics: Metrics,
  parts: AsyncDisposableStack,
): Promise<number> {
  const server = metricsServer(where.host, metrics);
  await listening(server, where);
  parts.defer(() => shutDown(server, new Set()));
  return (server.address() as AddressInfo).port;
}

function logJump(log: Log, ahead: number): void {
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (ahead === 0) log.warn("the system's clock is believed again");
  else
    log.warn(
      `the system's clock has jumped ${seconds} s ${ahead > 0 ? "ahead" : "back"}: the time before it goes on here for ten minutes, unless it is right again earlier`,
    );
}

/** A listener that all sockets share. */
function destroy(this: Duplex): void {
  this.destroy();
}

function ratesOf(limits: Limits): Context["rates"] {
  const frames = new Buckets(limits.framesPerSecond, limits.framesBurst);
  return {
    frames,
    groupCommits: new Buckets(limits.groupCommits / 60, limits.groupCommits),
    fanOut: new FanOut(frames, new Buckets(limits.fanOutBytes, limits.fanOutBytesBurst)),
    lightFrames: new Buckets(limits.lightFramesPerSecond, limits.lightFramesBurst),
    registrations: new Buckets(limits.registrationsPerSecond, limits.registrationsBurst),
    addressClaims: new Buckets(limits.addressClaimsPerSecond, limits.addressClaimsBurst),
    publishes: new Buckets(limits.publishesPerHour / 3600, limits.publishesPerHour),
    peers: new Buckets(limits.peersPerSecond, limits.peersBurst),
    addressRefusedBytes: new Buckets(
      limits.addressRefusedBytesPerSecond,
      limits.addressRefusedBytesBurst,
      REFUSED_PAUSE_MS,
    ),
    diskErrors: new Bucket(1 / 60, 1),
  };
}
