import type { GroupCrypto } from "../crypto/mls/group.ts";
import { wipe } from "../crypto/mls/state.ts";
import { AgentError } from "../errors.ts";
import type { RelayFrameData } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { applyAnswers, repeatCommits } from "../delivery/answers.ts";
import type { Request } from "../files/bodies.ts";
import { Arrivals } from "./arrivals.ts";
import { Bodies } from "./bodies.ts";
import { CommitPosts } from "./commit-posts.ts";
import { judgeClock } from "../records/clock.ts";
import { applyOwn, heal } from "../conversation/commits.ts";
import { isAnyWaiting } from "../conversation/awaiting.ts";
import type { Connection, Pushed } from "../wire/connection.ts";
import { reopenDelay } from "../conversation/conversations.ts";
import { type Answered, asAck, Flight, laneOf } from "../delivery/flight.ts";
import { Gathering } from "../delivery/gathering.ts";
import { receive } from "../conversation/incoming.ts";
import { STOCK } from "../records/key-records.ts";
import { KeyStock } from "../account/key-stock.ts";
import { cannotOpen, openWith } from "../delivery/openings.ts";
import { expire } from "../turn/outbox-rows.ts";
import { encryptQueued } from "../delivery/outgoing.ts";
import type { Account } from "../records/own-account.ts";
import { PeersAtRelay } from "./peers.ts";
import { parse, rowsUnder } from "../records/records.ts";
import { continueReports } from "../conversation/reports.ts";
import { continueAgain } from "../conversation/resend.ts";
import { sweep } from "./retention.ts";
import { askForBlobs, untilAsk } from "./blobs.ts";
import { serveRequests } from "./serve-requests.ts";
import { makeTurn } from "./set-aside.ts";
import { TeamWork } from "./team-work.ts";
import type { WireRecord } from "../records/tables.ts";
import { Cache, Turn } from "../turn/turn.ts";

/** Time for other processes, which wait for the store, between two turns of which the first had more to do than time. */
const GIVE_WAY_MS = 5;
/** Frames with ciphertexts that are read into memory at once. */
const CIPHERTEXTS = 16;
/** An admitted commit is applied when our mailbox has been quiet for so long, even if its mark was never reached. */
const QUIET_MS = 10_000;

/** A mailbox in which something waits is pushed from at once, and on with each acknowledgement. Milliseconds. */
const SILENT_MS = 3_000;
/** How long a receipt waits whose contact has wasted much. */
const PUT_OFF_MS = 500;

/** The relay's answer to `listen`, and who is told that there is another turn to be made, that files wait to be uploaded, and that what is old was removed. */
interface Begun {
  listening: RelayFrameData<"ack">;
  wake: () => void;
  /** Listens to the store for the link, which has seen what its own turns write. */
  changed: () => void;
  /** How the runtime asks the relay by HTTP. */
  request: Request;
  onFiles: () => void;
  onSwept: () => void;
}

type Opening = { username: string; answer: Answered<RelayFrameData<"keys">> };

/**
 * What the link does while it is logged in on one connection. If a turn fails, all of it is undone: the session is over,
 * the relay pushes again on the next, and what was sent is repeated.
 */
export class Session {
  readonly #store: ClientStore;
  readonly #crypto: GroupCrypto;
  readonly #account: Account;
  readonly #connection: Connection;
  readonly #cache = new Cache();
  readonly #flight: Flight;
  readonly #arrivals: Arrivals;
  readonly #bodies: Bodies;
  readonly #commits: CommitPosts;
  readonly #ending = new AbortController();
  #sweptAt = 0;
  #sweepAfter = 0;
  #heardAt = performance.now();
  /** The time by which the last turn judged what is paused. */
  #turnedAt = 0;
  readonly #gathering = new Gathering();
  readonly #peers: PeersAtRelay;
  readonly #keys: KeyStock;
  readonly #isTimeSure: () => boolean;
  /** When something in the outbox expires next. Unix milliseconds. */
  #expiresAt = Infinity;
  #asked = false;
  readonly #teams: TeamWork;
  /** Files wait: for room at the relay, to be uploaded, or to be deleted there. */
  #hasFiles = false;
  /** When the relay is to be asked for some of them, by `performance.now()`. */
  #askAt = Infinity;
  #asking: Promise<void> | undefined;
  /** What that has failed on: the next turn does. */
  #failed: { error: unknown } | undefined;
  readonly #begun: Begun;
  #written = false;
  /** Highest `seq` that was acknowledged on this connection. */
  #told = 0;
  /** Where our mailbox stood when we began to listen. */
  readonly #highWater: number;

  private constructor(store: ClientStore, crypto: GroupCrypto, account: Account, connection: Connection, begun: Begun) {
    const { listening } = begun;
    this.#begun = begun;
    this.#store = store;
    this.#crypto = crypto;
    this.#account = account;
    this.#connection = connection;
    this.#arrivals = new Arrivals(connection);
    this.#highWater = listening.high_water ?? 0;
    this.#peers = new PeersAtRelay(connection, listening.log_id ?? "");
    this.#isTimeSure = judgeClock(account.relay);
    this.#keys = new KeyStock({ store, crypto, account, connection });
    this.#flight = new Flight(
      (seq, data) =>
        connection.post("send", data, (frame) => {
          const answer = asAck(frame);
          if ("ok" in answer) this.#flight.taken = data.message_id;
          this.#flight.sendAnswers.push({ seq, group: data.group_id ?? "", answer });
        }),
      (group) => this.#commits.post(group),
    );
    this.#teams = new TeamWork(connection, this.#flight);
    const { wake, request } = begun;
    const bodies = { request, server: account.server, signal: this.#ending.signal };
    this.#bodies = new Bodies(bodies, wake);
    const { commits } = this.#cache;
    const frameBytes = account.relay.frame_bytes;
    this.#commits = new CommitPosts({ connection, commits, flight: this.#flight, bodies, frameBytes, wake });
  }

  /** Begins on a connection that is logged in and listens; repeats the commits that were not answered. */
  static async begin(
    store: ClientStore,
    crypto: GroupCrypto,
    account: Account,
    connection: Connection,
    begun: Begun,
  ): Promise<Session> {
    const session = new Session(store, crypto, account, connection, begun);
    const { listening } = begun;
    const stock = listening.key_packages ?? STOCK;
    await session.#turn(async (turn) => {
      const { tx } = turn;
      await session.#cache.load(tx);
      for await (const [key, wire] of rowsUnder(tx, "wire/", undefined, CIPHERTEXTS))
        session.#flight.repeat(laneOf(parse(key, wire) as WireRecord), Number(key.slice("wire/".length)));
      await session.#keys.begin(turn, stock);
    });
    for (const group of session.#cache.commits.keys()) session.#commits.post(group);
    return session;
  }

  /** Sends and openings that the relay has not answered yet. */
  get underWay(): number {
    const openings = [...this.#cache.commits.values()].filter(({ kind }) => kind === "open");
    return this.#flight.sends.size + openings.length;
  }

  /**
   * Whether everything that waited when this session began has been processed. What has expired meanwhile never comes: a mailbox
   * that is silent for so long has given all.
   */
  get current(): boolean {
    return this.#account.relay.position >= this.#highWater || this.#silentFor >= SILENT_MS;
  }

  get #silentFor(): number {
    return this.#arrivals.waiting > 0 ? 0 : performance.now() - this.#heardAt;
  }

  /** The connection is over. Resolves when nothing goes on beside the turns any more. */
  async settled(): Promise<void> {
    this.#ending.abort();
    await this.#commits.settled();
    await this.#keys.settled();
    await this.#asking;
  }

  /** One turn. `last`: nothing is gathered any more. @returns whether there is nothing more to do until something happens */
  async turn(last = false): Promise<boolean> {
    if (this.#failed !== undefined) throw this.#failed.error;
    const connection = this.#connection;
    const flight = this.#flight;
    const { batch, disorder } = this.#arrivals.take();
    this.#arrivals.putBack(batch.splice(this.#bodies.whole(batch)));
    if (batch.length > 0) this.#heardAt = performance.now();
    let received = 0;
    const openings = await this.#claim();
    const heard = await this.#teams.hear();
    const turn = await this.#turn(async (turn) => {
      await applyAnswers(turn, flight);
      await this.#keys.hear(turn);
      await this.#peers.turn(turn);
      await continueAgain(turn);
      await continueReports(turn);
      received = await receive(turn, batch);
      for (const contact of turn.heard) flight.found(contact);
      if (disorder) await turn.alert("relay_order", undefined, "the relay pushed something twice or out of order");
      await this.#applyQuietCommits(turn);
      for (const { username, answer } of openings)
        if (!turn.aside.has(`contact/${username}`))
          await turn.on(`contact/${username}`, async () => {
            if ("refusal" in answer) await cannotOpen(turn, flight, username, answer.refusal);
            else if (!this.#cache.isHeld(username)) await openWith(turn, flight, username, answer.ok);
          });
      await this.#teams.turn(turn, heard);
      await this.#sweepIfDue(turn);
      await heal(turn, (group) => flight.postCommit(group));
      await repeatCommits(turn, flight);
      await this.#retryIfAsked(turn);
      await this.#gathering.flush(turn, flight, last);
      this.#expiresAt = await expire(turn);
      await encryptQueued(turn, flight);
      await this.#keys.turn(turn);
      const { taken } = flight;
      flight.taken = undefined;
      await turn.flush(taken);
      this.#asked = (await turn.tx.list({ prefix: "ask/", limit: 1 })).length > 0;
      await this.#teams.look(turn);
      this.#hasFiles = (await turn.tx.list({ prefix: "blob/", limit: 1 })).length > 0;
      this.#askAt = turn.ticks + (this.#hasFiles ? await untilAsk(turn.tx) : Infinity);
    }, batch);
    this.#turnedAt = turn.ticks;
    this.#publish(turn);
    if (disorder || connection.unasked?.reason === "received_out_of_range") connection.close();
    await this.#keys.fill(last || !this.current ? undefined : this.#heardAt);
    if (this.#hasFiles) this.#serveFiles();
    if (last) await this.#asking;
    const served = this.#asked && (await serveRequests(this.#store, connection));
    this.#written ||= batch.length > 0 || turn.after.length > 0;
    this.#arrivals.putBack(batch.slice(received));
    const unread = this.#bodies.isFetching ? 0 : this.#arrivals.waiting;
    const waiting = unread + flight.sendAnswers.length + flight.commitAnswers.length;
    const { between } = this.#cache;
    const isCut = turn.isCut || between.isWanted;
    await between.compute();
    if (isCut) await new Promise((resolve) => setTimeout(resolve, GIVE_WAY_MS));
    const goesOn = isCut || (flight.mayHaveMore && turn.after.length > 0);
    const isDone = waiting === 0 && !served && !goesOn && !this.#teams.isWaiting;
    return isDone && (await this.#openable()).length === 0;
  }

  /** Beside the turns, which it would hold up: room for files is of another disk, perhaps, than mail. */
  #serveFiles(): void {
    this.#begun.onFiles();
    if (this.#asking !== undefined || performance.now() < this.#askAt) return;
    this.#asking = askForBlobs(this.#store, this.#connection)
      .catch((error: unknown) => void (this.#failed = { error }))
      .finally(() => {
        this.#asking = undefined;
        this.#begun.wake();
      });
  }

  /** One transaction, without the records on which it would fail by itself. */
  #turn(work: (turn: Turn) => Promise<void>, batch: Pushed[] = []): Promise<Turn> {
    const restore = this.#flight.keep();
    return makeTurn(this.#store, {
      untold: this.#begun.changed,
      begin: (tx) => {
        const turn = new Turn(tx, this.#crypto, this.#account, this.#cache);
        turn.isTimeSure = this.#isTimeSure();
        turn.highWater = this.#highWater;
        return turn;
      },
      work: async (turn) => {
        await work(turn);
        return turn;
      },
      undo: ({ at }) => {
        restore();
        this.#cache.clear();
        // What is behind it waits for the next turn: however many fail, each is processed twice, and not with each of them.
        const index = batch.findIndex(({ delivery }) => at === `pushed/${delivery.seq}`);
        if (index >= 0) this.#arrivals.putBack(batch.splice(index + 1));
      },
    });
  }

  /** Whether there was anything to write since this was asked last. */
  hasWritten(): boolean {
    const written = this.#written;
    this.#written = false;
    return written;
  }

  /** Milliseconds until there is something to do even if nothing happens. */
  untilNext(): number {
    const now = performance.now();
    const resume = this.#flight.nextResume(this.#turnedAt) ?? Infinity;
    const receipts = Math.min(this.#gathering.dueAt, this.#peers.dueAt);
    const waiting = isAnyWaiting(this.#cache);
    const quiet = waiting || this.#cache.commits.size > 0 ? QUIET_MS : Infinity;
    // Receipts that were put off until some of the waste of their contact is forgiven.
    const putOff = this.#cache.reporting.size > 0 ? PUT_OFF_MS : Infinity;
    const keys = this.#keys.dueAt;
    const current = this.current ? Infinity : SILENT_MS - this.#silentFor;
    return Math.max(
      1,
      Math.min(
        this.#sweepAfter,
        this.#cache.healsAt - Date.now(),
        this.#cache.stuckAt - now,
        this.#expiresAt - Date.now(),
        this.#asking === undefined ? this.#askAt - now : Infinity,
        resume - now,
        receipts - now,
        keys - now,
        quiet,
        putOff,
        current,
      ),
    );
  }

  /** Lets the outside see what is committed. */
  #publish(turn: Turn): void {
    wipe(turn.consumed);
    const { relay } = this.#account;
    relay.position = turn.position;
    // Repeated on a new connection, for what was processed on one that was lost before the relay heard of it.
    const seq = Math.min(turn.position, this.#arrivals.pushedUpTo);
    if (seq > this.#told) {
      this.#told = seq;
      this.#connection.tell("received", { log_id: relay.log_id ?? "", seq });
    }
    for (const effect of turn.after) effect();
  }

  /** Claims key packages for those to whom something waits and with whom there is no conversation. */
  async #claim(): Promise<Opening[]> {
    const names = await this.#openable();
    return Promise.all(
      names.map(async (username) => {
        const another = this.#flight.badPackages.has(username) ? { another: true } : {};
        const answer = await this.#connection.ask("claim_keys", { username, ...another });
        if ("refusal" in answer) return { username, answer };
        if (answer.frame.type !== "keys" || answer.frame.data.username.toLowerCase() !== username)
          throw new AgentError("relay_protocol", "the relay answered claim_keys with something else");
        return { username, answer: { ok: answer.frame.data } };
      }),
    );
  }

  /** Contacts that need a conversation, and for whom no back-off runs. */
  async #openable(): Promise<string[]> {
    const flight = this.#flight;
    const now = performance.now();
    if (flight.toOpen.size === 0 || flight.pausedUntil > now) return [];
    return this.#store.read(async (tx) => {
      const names: string[] = [];
      for (const username of flight.toOpen) {
        const wait = await reopenDelay(tx, username, Date.now());
        if (wait > 0) flight.pause(username, now + wait);
        if (!flight.isPaused(username, now)) names.push(username);
      }
      return names;
    });
  }

  async #applyQuietCommits(turn: Turn): Promise<void> {
    if (performance.now() - this.#heardAt < QUIET_MS) return;
    for (const commit of this.#cache.commits.values())
      if (commit.kind !== "open" && commit.high_water !== undefined) await applyOwn(turn, commit);
  }

  async #sweepIfDue(turn: Turn): Promise<void> {
    // Set back or forth: it is swept once too often rather than not for a long time.
    if (Math.abs(Date.now() - this.#sweptAt) < this.#sweepAfter) return;
    this.#sweptAt = Date.now();
    this.#sweepAfter = await sweep(turn, turn.isCurrent);
    await this.#keys.sweep(turn);
    turn.after.push(() => this.#begun.onSwept());
  }

  /** The owner wants something to be tried at once. */
  async #retryIfAsked(turn: Turn): Promise<void> {
    for (const [key] of await turn.tx.list({ prefix: "retry/" })) {
      const contact = key.slice("retry/".length);
      await turn.tx.delete(key);
      this.#flight.found(contact);
      await turn.on(`contact/${contact}`, async () => {
        const record = await turn.contact(contact);
        if (record !== undefined) turn.saveContact({ ...record, reopen_at: 0 });
      });
    }
  }
}
