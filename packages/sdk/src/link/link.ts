import type { GroupCrypto } from "../crypto/mls/group.ts";
import { AgentError } from "../errors.ts";
import type { RelayFrameData } from "../protocol/index.ts";
import type { ClientStore } from "../store/store.ts";
import { deviceReplaced, login } from "../account/account.ts";
import { watchClock } from "../records/clock.ts";
import { connect, type Transport } from "../wire/connect.ts";
import type { Request } from "../files/bodies.ts";
import type { Connection } from "../wire/connection.ts";
import { liftStore } from "./lift.ts";
import { otherAddress, refuseIfElsewhere, sayWhere } from "./link-address.ts";
import { expire } from "../turn/outbox-rows.ts";
import { type Account, readAccount, updateRelay } from "../records/own-account.ts";
import { registerReplacement, replaceDevice } from "../account/replace-device.ts";
import { Session } from "./session.ts";
import { makeTurn } from "./set-aside.ts";
import { Cache, Turn } from "../turn/turn.ts";

/** How often a process that wants the link looks whether it is free. Milliseconds. */
const TAKE_MS = 300;
/** Reconnecting: first wait, doubled up to the last, each with jitter. Milliseconds. */
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 15_000;
/** Attempt at which we begin to wait once somebody else has begun to listen with our keys: not to chase each other. */
const SUPERSEDED_ATTEMPT = 5;
/** A store that was found to be an old copy is not found to be one again within this time. Milliseconds. */
const REPLACE_AGAIN_MS = 600_000;

/** What overwritten records have left behind is removed in the first pause of so long, and at the latest after that. */
const SCRUB_MS = 200;
const SCRUB_LATEST_MS = 2_000;

export type LinkState =
  /** Another process holds the link. */
  | { state: "waiting" }
  | { state: "connecting" }
  /** `current`: everything that waited for us when we connected has been processed. */
  | { state: "connected"; info: RelayFrameData<"info">; current: boolean }
  | { state: "unreachable"; error: AgentError; attempt: number }
  | { state: "stopped"; error: AgentError };

/** How a runtime reaches a relay. */
export interface LinkWays {
  transport: Transport;
  request: Request;
}

/**
 * The one process of an agent that talks to the relay and touches the ratchets. Works through the store: whatever waits
 * there is sent, whatever comes is put there. Runs until it is stopped; takes the link whenever it is free.
 */
export class Link {
  state: LinkState = { state: "connecting" };
  /** Whether the relay has let this process in at least once. */
  everConnected = false;
  /** Whether the clock of the day is not believed just now: it was set while this process ran. */
  readonly hasJumped = watchClock();
  /** Files wait to be uploaded, and this process holds the link: it sees to those that nobody sees to. */
  onFiles: () => void = () => undefined;
  /** What is too old was removed from the store. */
  onSwept: () => void = () => undefined;
  readonly #store: ClientStore;
  readonly #crypto: GroupCrypto;
  readonly #role: string;
  readonly #opened: Account;
  readonly #ways: LinkWays;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Whether the link is free was looked at once. */
  readonly #looked = Promise.withResolvers<void>();
  #wakeUp: () => void = () => undefined;
  #woken = false;
  #draining = false;
  #startedAt = 0;
  readonly #changed = (): void => this.wake();

  constructor(store: ClientStore, crypto: GroupCrypto, role: string, opened: Account, ways: LinkWays) {
    this.#store = store;
    this.#crypto = crypto;
    this.#role = role;
    this.#opened = opened;
    this.#ways = ways;
  }

  /** Calls `listener` whenever `state` has changed. */
  onState(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#running === undefined) this.#startedAt = performance.now();
    this.#running ??= this.#run().catch((error: unknown) => {
      this.#setState({ state: "stopped", error: asAgentError(error) });
    });
  }

  /**
   * Starts it, and looks whether this process may work for the address that it was given: that is the link's, or nobody
   * holds it.
   * @throws AgentError other_relay
   */
  async begin(): Promise<void> {
    this.start();
    if (otherAddress(this.#opened) === undefined) return;
    await Promise.race([this.#looked.promise, this.#running]);
    if (this.state.state === "stopped") throw this.state.error;
  }

  /** Sends what waits, as far as the relay takes it within `patience` milliseconds, and lets go of the link. */
  async stop(patience: number): Promise<void> {
    if (this.#running === undefined) return;
    this.#draining = true;
    const end = setTimeout(() => this.#stopping.abort(), await this.#stillMaySend(patience));
    this.wake();
    await this.#running;
    clearTimeout(end);
  }

  /** Who connects still has what is left of the time since it began. @returns milliseconds */
  async #stillMaySend(patience: number): Promise<number> {
    if (this.state.state !== "connecting") return this.state.state === "connected" ? patience : 0;
    const waits = await this.#store.read((tx) => tx.list({ prefix: "queue/", limit: 1 }));
    return waits.length === 0 ? 0 : Math.max(0, patience - (performance.now() - this.#startedAt));
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const unsubscribe = this.#store.onChange(this.#changed);
    try {
      while (!this.#stopped) {
        this.#woken = false;
        const held = await this.#takeAndHold().catch((error: unknown) => {
          const known = asAgentError(error);
          if (!known.shouldRetry()) throw known;
          this.#failed(known);
          this.#looked.resolve();
          return false;
        });
        if (this.#draining) return;
        if (!held) await this.#sleep(TAKE_MS * (0.7 + 0.6 * Math.random()));
      }
    } finally {
      unsubscribe();
    }
  }

  /** @returns whether the link was free */
  async #takeAndHold(): Promise<boolean> {
    const lock = await this.#store.takeLink(this.#role);
    if (lock === undefined) {
      await refuseIfElsewhere(this.#store, this.#opened);
      this.#setState({ state: "waiting" });
      this.#looked.resolve();
      return false;
    }
    this.#setState({ state: "connecting" });
    try {
      await sayWhere(this.#store, this.#opened);
      this.#looked.resolve();
      await liftStore(this.#store, this.#crypto);
      await this.#hold();
      await this.#store.scrub();
    } finally {
      await lock.release();
    }
    return true;
  }

  /** Connects, works, and reconnects, until it is stopped. */
  async #hold(): Promise<void> {
    let attempt: number | undefined = 0;
    while (!this.#stopped && !(this.#draining && attempt > 0)) {
      attempt = await this.#connectAndWork(attempt);
      if (attempt === undefined) return;
      // However short-lived the connections to a relay are, they are not made in a tight loop.
      const wait = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LAST_WAIT_MS);
      await this.#sleep(wait * (0.5 + Math.random()), false);
    }
  }

  /**
   * @returns the number of the next attempt, by which we wait for it; undefined if there shall be none
   * @throws AgentError if going on is pointless: the relay refuses this agent, or another device has taken it over
   */
  async #connectAndWork(attempt: number): Promise<number | undefined> {
    let connection: Connection | undefined;
    let session: Session | undefined;
    let workedSince: number | undefined;
    try {
      const account = await this.#account();
      // However long the relay is away.
      await makeTurn(this.#store, {
        begin: (tx) => {
          const turn = new Turn(tx, this.#crypto, account, new Cache());
          turn.isTimeSure = !this.hasJumped();
          return turn;
        },
        work: (turn) => expire(turn).then(() => turn.flush()),
      });
      const url = new URL(account.server);
      connection = await connect(this.#ways.transport, url, () => this.wake(), this.#stopping.signal);
      if (account.relay.new_device === true) await registerReplacement(this.#store, this.#crypto, account, connection);
      const result = await login(this.#store, this.#crypto, account, connection);
      if (result.kind === "old_copy") {
        const since = Date.now() - (account.relay.replaced_at ?? 0);
        // Where that is still to come, the clock was set back: how long ago it was is not known.
        if (since >= 0 && since < REPLACE_AGAIN_MS)
          throw new AgentError("relay_protocol", "the relay says again and again that this store is an old copy");
        await replaceDevice(this.#store, this.#crypto, account);
        return attempt + 1;
      }
      const onFiles = (): void => this.onFiles();
      const onSwept = (): void => this.onSwept();
      const begun = {
        listening: result.listening,
        wake: (): void => this.wake(),
        changed: this.#changed,
        request: this.#ways.request,
        onFiles,
        onSwept,
      };
      session = await Session.begin(this.#store, this.#crypto, account, connection, begun);
      this.#setState({ state: "connected", info: result.info, current: session.current });
      workedSince = performance.now();
      if (await this.#work(connection, session)) return undefined;
      // Whatever the reason, the next login tells what it is worth.
      return connection.unasked?.reason === "listen_superseded" ? SUPERSEDED_ATTEMPT : 1;
    } catch (error) {
      const known = asAgentError(error);
      if (known.code === "device_replaced") await this.#end();
      if (known.code === "aborted" || this.#stopped) return undefined;
      // A relay that has let us in speaks our protocol: one answer that makes no sense is no reason to give up.
      const misread = known.code === "relay_protocol" && known.reason === undefined && this.everConnected;
      // An operator who has disabled the account may enable it again: what waits, waits.
      const disabled = known.reason === "account_disabled";
      if (!known.shouldRetry() && !misread && !disabled) throw known;
      this.#failed(known);
      // What fails here, and not on the way, fails at the next login as well.
      const fails = known.code !== "relay_unreachable" && performance.now() - (workedSince ?? 0) < LAST_WAIT_MS;
      return workedSince === undefined || fails ? attempt + 1 : 1;
    } finally {
      connection?.close();
      await session?.settled();
    }
  }

  /** Turn after turn. @returns whether we let go, rather than lost the connection */
  async #work(connection: Connection, session: Session): Promise<boolean> {
    // The login has written, and so may have a turn before it, whose connection was lost.
    let dirtySince: number | undefined = performance.now();
    let patience = SCRUB_MS;
    while (connection.open && !this.#stopped) {
      this.#woken = false;
      const last = this.#draining;
      const idle = await session.turn(last);
      if (session.current && this.state.state === "connected" && !this.state.current)
        this.#setState({ ...this.state, current: true });
      if (session.hasWritten()) dirtySince ??= performance.now();
      if (!idle) continue;
      if (last && session.underWay === 0) return true;
      // A checkpoint costs two syncs, so it waits for a pause, but not for ever.
      const scrubIn = dirtySince === undefined ? Infinity : patience;
      await this.#sleep(Math.min(session.untilNext(), scrubIn));
      const paused = !this.#woken && scrubIn !== Infinity;
      if (paused || (dirtySince !== undefined && performance.now() - dirtySince > SCRUB_LATEST_MS)) {
        const clean = await this.#store.scrub();
        dirtySince = clean ? undefined : performance.now();
        patience = clean ? SCRUB_MS : SCRUB_LATEST_MS;
      }
    }
    return this.#stopped;
  }

  async #account(): Promise<Account> {
    const account = await this.#store.read((tx) => readAccount(tx));
    if (account === undefined) throw new AgentError("not_registered", "the store has no agent");
    if (account.relay.stopped !== undefined) throw deviceReplaced();
    return { ...account, server: this.#opened.server };
  }

  /** This device is not the agent's any more, as its own identity has signed: nothing may be sent with it again. */
  async #end(): Promise<void> {
    await updateRelay(this.#store, (relay) => ({ ...relay, stopped: "device_replaced" }));
  }

  #failed(error: AgentError): void {
    const before = this.state.state === "unreachable" ? this.state.attempt : 0;
    this.#setState({ state: "unreachable", error, attempt: before + 1 });
  }

  #setState(state: LinkState): void {
    this.state = state;
    this.everConnected ||= state.state === "connected";
    for (const listener of this.#listeners) listener();
  }

  /** There is, or will be in a moment, something to do. */
  wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  /** Sleeps until `ms` have passed, the link is stopped, or (if `wakeable`) something happens. */
  async #sleep(ms: number, wakeable = true): Promise<void> {
    if (this.#stopped || (wakeable && this.#woken)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, ms);
      const { signal } = this.#stopping;
      signal.addEventListener("abort", done);
      if (wakeable) this.#wakeUp = done;
      function done() {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}

function asAgentError(error: unknown): AgentError {
  return error instanceof AgentError ? error : new AgentError("internal", String(error), { cause: error });
}
