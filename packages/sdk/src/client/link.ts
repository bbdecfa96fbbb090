import { AgentError } from "../errors.ts";
import { type GroupCrypto, wipe } from "../crypto/group.ts";
import { closeCodes, type RelayFrameData } from "../protocol/index.ts";
import type { ClientStore, LinkLock } from "../store/store.ts";
import { type Account, login, readAccount, STOCK, updateRelay } from "./account.ts";
import { serveRequests } from "./asks.ts";
import { Connection } from "./connection.ts";
import { applyCommit, heal, reopenDelay } from "./conversations.ts";
import { receive } from "./incoming.ts";
import { lastResortIsDue, replenish } from "./key-packages.ts";
import { applyAnswers, cannotOpen, encryptQueued, Flight, openWith } from "./outgoing.ts";
import { flushReceipts } from "./receipts.ts";
import { replaceDevice } from "./replace-device.ts";
import { sweep, wakeHealing } from "./retention.ts";
import { Cache, Turn } from "./turn.ts";

/** Frames that are processed in one transaction, at most. */
const BATCH = 256;
/** How often a process that wants the link looks whether it is free. Milliseconds. */
const TAKE_MS = 300;
/** Reconnecting: first wait, doubled up to the last, each with jitter. Milliseconds. */
const FIRST_WAIT_MS = 200;
const LAST_WAIT_MS = 15_000;
const SWEEP_MS = 60_000;
/** An admitted commit is applied when our mailbox has been quiet for so long, even if its mark was never reached. */
const QUIET_MS = 10_000;

export type LinkState =
  | { state: "waiting" }
  | { state: "connecting"; attempt: number }
  | { state: "connected"; info: RelayFrameData<"info"> }
  | { state: "unreachable"; error: AgentError; attempt: number }
  | { state: "stopped"; error: AgentError };

/**
 * The one process of an agent that talks to the relay and touches the ratchets. Works through the store: whatever waits
 * there is sent, whatever comes is put there. Runs until it is stopped; takes the link whenever it is free.
 */
export class Link {
  state: LinkState = { state: "waiting" };
  /** Whether the relay has let this process in at least once. */
  everConnected = false;
  readonly #store: ClientStore;
  readonly #crypto: GroupCrypto;
  readonly #role: string;
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #cache = new Cache();
  #running: Promise<void> | undefined;
  #connection: Connection | undefined;
  #flight = new Flight(
    () => undefined,
    () => undefined,
  );
  #wakeUp: () => void = () => undefined;
  #woken = false;
  #sweptAt = 0;
  #heardAt = 0;
  #draining = false;

  constructor(store: ClientStore, crypto: GroupCrypto, role: string) {
    this.#store = store;
    this.#crypto = crypto;
    this.#role = role;
  }

  /** Calls `listener` whenever `state` has changed. */
  onState(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.#running ??= this.#run().catch((error: unknown) => {
      this.#setState({ state: "stopped", error: asAgentError(error) });
    });
  }

  /** Sends what waits, as far as the relay takes it within `patience` milliseconds, and lets go of the link. */
  async stop(patience: number): Promise<void> {
    if (this.#running === undefined) return;
    this.#draining = true;
    const end = setTimeout(() => this.#stopping.abort(), this.state.state === "connected" ? patience : 0);
    this.wake();
    await this.#running;
    clearTimeout(end);
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const unsubscribe = this.#store.onChange(() => this.wake());
    try {
      while (!this.#stopped) {
        const lock = await this.#store.takeLink(this.#role);
        if (lock === undefined) {
          if (this.#draining) return;
          this.#setState({ state: "waiting" });
          await this.#sleep(TAKE_MS * (0.7 + 0.6 * Math.random()));
        } else {
          await this.#hold(lock);
          if (this.#draining) return;
        }
      }
    } finally {
      unsubscribe();
    }
  }

  async #hold(lock: LinkLock): Promise<void> {
    try {
      for (let attempt = 0; !this.#stopped && !(this.#draining && attempt > 0);) {
        const connected = await this.#connect(attempt);
        attempt = connected ? 0 : attempt + 1;
        if (!connected) {
          await this.#sleep(Math.min(FIRST_WAIT_MS * 2 ** attempt, LAST_WAIT_MS) * (0.5 + Math.random()), false);
          continue;
        }
        if (await this.#turns()) return;
        attempt = 1;
        // However short-lived the connections to a relay are, they are not made in a tight loop.
        await this.#sleep(FIRST_WAIT_MS * (0.5 + Math.random()), false);
      }
    } finally {
      this.#connection?.close();
      this.#connection = undefined;
      await this.#store.scrub();
      await lock.release();
    }
  }

  /** Connects and logs in. @returns false if the relay cannot be reached or asks to wait; throws what is final */
  async #connect(attempt: number): Promise<boolean> {
    if (attempt === 0) this.#setState({ state: "connecting", attempt });
    const account = await this.#account();
    let connection: Connection | undefined;
    try {
      connection = await Connection.open(new URL(account.relay.server), () => this.wake(), this.#stopping.signal);
      this.#connection = connection;
      const result = await login(this.#store, this.#crypto, account, connection);
      if (result.kind === "old_copy") {
        await replaceDevice(this.#store, this.#crypto, account, connection, result.highest);
        connection.close();
        return await this.#connect(attempt);
      }
      await this.#begin(connection, result.listening);
      this.#setState({ state: "connected", info: result.info });
      return true;
    } catch (error) {
      connection?.close();
      const known = asAgentError(error);
      if (known.code === "refused") await this.#endIfReplaced(known.reason);
      if (!known.shouldRetry()) throw known;
      this.#setState({ state: "unreachable", error: known, attempt: attempt + 1 });
      return false;
    }
  }

  async #begin(connection: Connection, listening: RelayFrameData<"ack">): Promise<void> {
    const flight: Flight = new Flight(
      (seq, data) => connection.post("send", data, (answer) => flight.sendAnswers.push({ seq, answer: asAck(answer) })),
      (group) => {
        const commit = this.#cache.commits.get(group);
        if (commit === undefined || commit.high_water !== undefined) return;
        connection.post("commit", JSON.parse(commit.frame), (answer) =>
          flight.commitAnswers.push({ group, commitId: commit.commit_id, answer: asAck(answer) }),
        );
      },
    );
    this.#flight = flight;
    this.#heardAt = Date.now();
    await this.#store.write(async (tx) => {
      await this.#cache.load(tx);
      await tx.put("meta/relay-stock", String(listening.key_packages ?? 0));
    });
    for (const group of this.#cache.commits.keys()) flight.postCommit(group);
    const stock = listening.key_packages ?? STOCK;
    if (stock < STOCK / 2) connection.keysLow = stock;
    this.#sweptAt = 0;
  }

  /** Turn after turn until the connection is lost (false) or we let go (true). */
  async #turns(): Promise<boolean> {
    const connection = this.#connection;
    while (connection?.open === true) {
      if (this.#stopped) return true;
      this.#woken = false;
      try {
        const idle = await this.#turn(connection);
        if (idle && this.#draining) return true;
        if (idle && !this.#woken) await this.#store.scrub();
        if (idle && !this.#woken) await this.#sleep(this.#untilNext());
      } catch (error) {
        // Whatever the turn did is undone. On the next connection the relay pushes again, and what was sent is repeated.
        connection.close();
        this.#cache.clear();
        const known = asAgentError(error);
        if (!known.shouldRetry()) throw known;
        this.#setState({ state: "unreachable", error: known, attempt: 1 });
        await this.#sleep(FIRST_WAIT_MS * 5, false);
      }
    }
    if (connection?.closedBy?.code === closeCodes.deviceReplaced) await this.#endIfReplaced("device_replaced");
    if (connection?.closedBy?.code === closeCodes.removed) await this.#endIfReplaced("invalid_credentials");
    await this.#endIfReplaced(connection?.unasked?.reason);
    return false;
  }

  /** @returns whether there is nothing more to do now */
  async #turn(connection: Connection): Promise<boolean> {
    const flight = this.#flight;
    const account = await this.#account();
    const batch = connection.pushed.splice(0, BATCH);
    if (batch.length > 0) this.#heardAt = Date.now();
    const openings = await this.#claim(connection, flight);
    let turn: Turn | undefined;
    await this.#store.write(async (tx) => {
      turn = new Turn(tx, this.#crypto, account, this.#cache);
      await applyAnswers(turn, flight);
      await receive(turn, batch);
      await this.#applyQuietCommits(turn);
      for (const { username, answer } of openings)
        if ("refusal" in answer) await cannotOpen(turn, flight, username, answer.refusal);
        else await openWith(turn, flight, username, answer.ok);
      if (await this.#sweepIfDue(turn)) connection.keysLow ??= STOCK;
      await heal(turn, (group) => flight.postCommit(group));
      await flushReceipts(turn, (contact) => flight.hasReceiptUnderWay(contact));
      await encryptQueued(turn, flight);
      await turn.flush();
    });
    if (turn === undefined) return true;
    wipe(turn.consumed);
    if (turn.position !== account.relay.position) {
      account.relay.position = turn.position;
      connection.tell("received", { log_id: account.relay.log_id ?? "", seq: turn.position });
    }
    for (const effect of turn.after) effect();
    if (connection.keysLow !== undefined) {
      const stock = connection.keysLow;
      connection.keysLow = undefined;
      await this.#store.write((tx) => tx.put("meta/relay-stock", String(stock)));
      await replenish(this.#store, this.#crypto, account, connection);
    }
    const served = await serveRequests(this.#store, connection);
    const more = connection.pushed.length + flight.sendAnswers.length + flight.commitAnswers.length;
    const toOpen = (await this.#openable(flight)).length;
    const idle = more === 0 && toOpen === 0 && !served && turn.after.length === 0;
    // While draining, what is under way is waited for: its answers wake us.
    if (idle && this.#draining && flight.sends.size > 0) {
      await this.#sleep(100, false);
      return false;
    }
    return idle;
  }

  /** Contacts that need a conversation, and for whom none of the back-offs runs. */
  async #openable(flight: Flight): Promise<string[]> {
    const now = Date.now();
    if (flight.toOpen.size === 0 || flight.pausedUntil > now) return [];
    return this.#store.read(async (tx) => {
      const names: string[] = [];
      for (const username of flight.toOpen) {
        const text = (await tx.get(`contact/${username}`)) as string | undefined;
        const wait = reopenDelay(text === undefined ? undefined : JSON.parse(text), now);
        if (wait > 0) flight.pause(username, now + wait);
        if (!flight.isPaused(username, now)) names.push(username);
      }
      return names;
    });
  }

  async #claim(connection: Connection, flight: Flight) {
    const names = await this.#openable(flight);
    return Promise.all(
      names.map(async (username) => {
        const answer = await connection.ask("claim_keys", { username });
        if ("refusal" in answer) return { username, answer };
        if (answer.frame.type !== "keys" || answer.frame.data.username.toLowerCase() !== username)
          throw new AgentError("relay_protocol", "the relay answered claim_keys with something else");
        return { username, answer: { ok: answer.frame.data } };
      }),
    );
  }

  async #applyQuietCommits(turn: Turn): Promise<void> {
    if (Date.now() - this.#heardAt < QUIET_MS) return;
    for (const commit of this.#cache.commits.values())
      if (commit.kind === "update" && commit.high_water !== undefined) await applyCommit(turn, commit.group);
  }

  /** @returns whether the last resort has to be replaced */
  async #sweepIfDue(turn: Turn): Promise<boolean> {
    if (Date.now() - this.#sweptAt < SWEEP_MS) return false;
    this.#sweptAt = Date.now();
    await sweep(turn);
    await wakeHealing(turn);
    return lastResortIsDue(turn);
  }

  #untilNext(): number {
    const now = Date.now();
    const resume = this.#flight.nextResume(now);
    return Math.max(
      5,
      Math.min(SWEEP_MS, (resume ?? Infinity) - now, this.#cache.commits.size > 0 ? QUIET_MS : Infinity),
    );
  }

  async #account(): Promise<Account> {
    const account = await this.#store.read((tx) => readAccount(tx));
    if (account === undefined) throw new AgentError("not_registered", "the store has no agent");
    if (account.relay.stopped !== undefined) throw replaced(account.relay.stopped);
    return account;
  }

  /** This device is not the agent's any more: nothing may be sent with it again. */
  async #endIfReplaced(reason: string | undefined): Promise<void> {
    if (reason !== "device_replaced" && reason !== "account_disabled") return;
    await updateRelay(this.#store, (relay) => ({ ...relay, stopped: "device_replaced" }));
    throw replaced("device_replaced");
  }

  #setState(state: LinkState): void {
    this.state = state;
    this.everConnected ||= state.state === "connected";
    for (const listener of this.#listeners) listener();
  }

  /** Sleeps until `ms` have passed, the link is stopped, or (unless `deaf`) something happens. */
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

function asAck(answer: Awaited<ReturnType<Connection["ask"]>>) {
  return "refusal" in answer ? answer : { ok: answer.frame.data as RelayFrameData<"ack"> };
}

function replaced(how: "device_replaced" | "removed"): AgentError {
  return how === "removed"
    ? new AgentError("not_registered", "this agent was removed from its relay", { hint: "register again" })
    : new AgentError("device_replaced", "another device has taken this agent over", {
        hint: "use the agent there, or restore it here from a backup",
      });
}

function asAgentError(error: unknown): AgentError {
  return error instanceof AgentError ? error : new AgentError("internal", String(error), { cause: error });
}
