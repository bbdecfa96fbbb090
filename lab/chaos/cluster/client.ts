import { setTimeout as delay } from "node:timers/promises";
import { Agent } from "../../../packages/server/test/agent.ts";
import type { Pushed } from "./ear.ts";
import type { Ledger } from "./ledger.ts";
import type { Voice } from "./voice.ts";
import { type Frame, LostError, Wire } from "./wire.ts";

/** By which all relays are known to clients. */
export const NAME = "ws://cluster.test/ws";

const STAY_MS = { least: 2_000, more: 8_000 };
const AWAY_MS = { least: 50, more: 200 };
const ACKNOWLEDGE_MS = { least: 10, more: 40 };
const HALF_OPEN = 0.25;
const HALF_OPEN_MS = 4_000;
const IDLE_MS = 50;

export interface ClientOptions {
  ledger: Ledger;
  /** Of the relays. */
  ports: readonly number[];
  dice: () => number;
  /** Nothing new is to be said: it stays where it is until all has come. */
  isOver: () => boolean;
  /** All has come. */
  isDone: () => boolean;
}

/** A device and its mailbox, which goes from relay to relay. */
export class Client {
  readonly agent: Agent;
  readonly voices: Voice[] = [];
  readonly #options: ClientOptions;
  /** Of each entry, its place. */
  readonly #places = new Map<string, number>();
  /** The highest place that was ever pushed. */
  #newest = 0;
  /** Up to where an acknowledgement was answered: nothing of it may come again. */
  #answered = 0;
  #logId: string | undefined;
  #wire: Wire | undefined;
  #isAcknowledging = false;

  constructor(name: string, options: ClientOptions) {
    this.agent = new Agent(NAME, name, { packages: 0 });
    this.#options = options;
  }

  get #name(): string {
    return this.agent.username;
  }

  /** Goes on until all is done. */
  async live(): Promise<void> {
    const { isDone, ledger } = this.#options;
    while (!isDone()) {
      try {
        await this.#stay(await this.#connect());
      } catch (error) {
        if (error instanceof LostError) {
          if (error.isUnanswered) ledger.note(`${this.#name}: ${error.message}`);
        } else ledger.violation(`the driver failed: ${String((error as Error).stack)}`);
      }
      await this.#leave();
    }
    this.#wire?.end();
  }

  #between({ least, more }: { least: number; more: number }): number {
    return least + more * this.#options.dice();
  }

  /** A new connection at any relay. @throws LostError */
  async #connect(): Promise<Wire> {
    const { ports, dice, ledger } = this.#options;
    const wire = await Wire.open(ports[Math.floor(dice() * ports.length)] ?? 0);
    // From here on only this one counts, and what comes right behind the answer to `listen` is heard.
    this.#wire = wire;
    wire.onPush = (frame) => this.#hear(wire, frame);
    const { data } = await this.agentLogin(wire);
    if (data.status !== "authenticated") {
      if (data.reason !== "internal") ledger.violation(`${this.#name} cannot log in: ${JSON.stringify(data)}`);
      throw new LostError("no login");
    }
    ledger.count("logins");
    const before = this.#newest;
    const answer = await wire.ask("listen", {});
    if (answer.type !== "ack") {
      if (answer.data.reason !== "internal") ledger.violation(`${this.#name} cannot listen: ${answer.data.reason}`);
      throw new LostError("nothing to listen to");
    }
    const { log_id: logId, last_seq: lastSeq } = answer.data;
    if (this.#logId !== undefined && this.#logId !== logId)
      ledger.violation(`lost: the log of ${this.#name} has another id, as if something was forgotten`);
    this.#logId = logId;
    if (lastSeq < before) ledger.violation(`${this.#name} has ${before}, and the log ends at ${lastSeq}`);
    return wire;
  }

  /** @throws LostError */
  async agentLogin(wire: Wire): Promise<Frame> {
    const { username, deviceId: device, relay } = this.agent;
    const answer = await wire.ask("authenticate", { username, device, relay });
    if (answer.type !== "challenge") return answer;
    return wire.ask("authenticate", this.agent.answer(answer.data.challenge));
  }

  /** Talks in all groups for some seconds. @throws LostError */
  async #stay(wire: Wire): Promise<void> {
    const { isOver, isDone } = this.#options;
    const until = performance.now() + this.#between(STAY_MS);
    const isStaying = (): boolean => wire.isOpen && !isDone() && (performance.now() < until || isOver());
    const talk = async (voice: Voice): Promise<void> => {
      while (isStaying()) {
        if (!isOver() || voice.waiting !== undefined) await voice.speak(wire);
        else await delay(IDLE_MS);
      }
    };
    const ends = await Promise.allSettled(this.voices.map(talk));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /** Ends the connection, or only thinks that it has. */
  async #leave(): Promise<void> {
    const { dice, isDone, isOver, ledger } = this.#options;
    const wire = this.#wire;
    if (isDone()) return;
    this.#wire = undefined;
    if (wire?.isOpen === true && !isOver() && dice() < HALF_OPEN) {
      ledger.count("connections left half-open");
      wire.abandon(HALF_OPEN_MS);
    } else wire?.end();
    await delay(this.#between(AWAY_MS));
  }

  #hear(wire: Wire, { type, data }: Frame): void {
    if (wire !== this.#wire) return;
    if (type === "message" || type === "offline_message") this.#take(wire, data as Pushed);
    else if (type === "error" && data.reason === "listen_superseded") {
      // A relay has stood still, and now does what this client has long given up there.
      this.#options.ledger.count("taken over");
      wire.end();
    }
  }

  #take(wire: Wire, entry: Pushed): void {
    const { seq, kind, group_id: groupId, message_id: id } = entry;
    const key = kind === "application" ? (entry.message ?? "") : `${kind} ${groupId} ${id}`;
    if (seq <= this.#answered) this.#wrong(`${key} at ${seq}, though up to ${this.#answered} everything was received`);
    if (seq <= wire.newest) this.#wrong(`${key} at ${seq} behind ${wire.newest}`);
    wire.newest = Math.max(wire.newest, seq);
    this.#acknowledgeSoon(wire);
    const before = this.#places.get(key);
    if (before !== undefined) {
      if (before !== seq) this.#wrong(`doubled: ${key} at ${before} and at ${seq}`);
      return;
    }
    this.#places.set(key, seq);
    if (seq < this.#newest) this.#wrong(`${key} at ${seq} for the first time, when ${this.#newest} had come`);
    this.#newest = Math.max(this.#newest, seq);
    const voice = this.voices.find(({ group }) => group.id === groupId);
    voice?.ear.hear(entry, voice.asked);
  }

  #acknowledgeSoon(wire: Wire): void {
    if (this.#isAcknowledging) return;
    this.#isAcknowledging = true;
    setTimeout(() => {
      this.#isAcknowledging = false;
      if (wire === this.#wire && wire.isOpen) void this.#acknowledge(wire, wire.newest);
    }, this.#between(ACKNOWLEDGE_MS));
  }

  /** Of one that asks for no answer a relay that dies has told nobody. */
  async #acknowledge(wire: Wire, seq: number): Promise<void> {
    const { dice, isOver, ledger } = this.#options;
    const data = { log_id: this.#logId, seq };
    if (dice() < 0.5 && !isOver()) return wire.tell("received", data);
    const answer = await wire.ask("received", data).catch(() => undefined);
    if (answer === undefined) return;
    if (answer.type === "ack") {
      ledger.count("acknowledgements answered");
      this.#answered = Math.max(this.#answered, seq);
    } else if (answer.data.reason !== "internal")
      this.#wrong(`received up to ${seq} was refused as ${answer.data.reason}`);
  }

  #wrong(text: string): void {
    this.#options.ledger.violation(`${this.#name}: ${text}`);
  }
}
