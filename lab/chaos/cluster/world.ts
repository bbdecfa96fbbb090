import { join } from "node:path";
import { random } from "../../../test/processes/processes.ts";
import { Client } from "./client.ts";
import { Engine } from "./engine.ts";
import { Group } from "./group.ts";
import type { Ledger } from "./ledger.ts";
import type { Options } from "./options.ts";
import { Relay } from "./relay.ts";
import { Voice } from "./voice.ts";
import { Wire } from "./wire.ts";

const RELAYS = 3;
/** So that a rolling restart does not take most of a run: where there is nothing else it is as by default. */
const SHORT_DRAIN = ["--drain", "1s"];

/** All that a run is made of: the engine, relays, and clients in pairs and teams. */
export class World implements AsyncDisposable {
  readonly ledger: Ledger;
  readonly relays: readonly Relay[];
  readonly engine: Engine;
  readonly clients: readonly Client[];
  readonly groups: readonly Group[];
  /** Whether a standby has all that was acknowledged. */
  readonly isSynchronous: boolean;
  /** Nothing new is said. */
  isOver = false;
  /** All has come. */
  isDone = false;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    options: Options,
    ledger: Ledger,
    parts: Pick<World, "relays" | "engine">,
    stack: AsyncDisposableStack,
  ) {
    this.ledger = ledger;
    this.relays = parts.relays;
    this.engine = parts.engine;
    this.isSynchronous = options.bug !== "async";
    this.#parts = stack;
    this.clients = Array.from({ length: 2 * options.pairs }, (_, number) => {
      const dice = random(options.seed + number);
      const state = { isOver: () => this.isOver, isDone: () => this.isDone };
      return new Client(`agent${number}`, { ledger, ports: parts.relays.map(({ port }) => port), dice, ...state });
    });
    this.groups = [...this.#form(2, options), ...this.#form(4, options)];
  }

  /** Of so many clients that follow each other a group each. */
  #form(size: number, { seed }: Options): Group[] {
    const groups: Group[] = [];
    for (let first = 0; first + size <= this.clients.length; first += size) {
      const members = this.clients.slice(first, first + size);
      const group = new Group(`${size === 2 ? "pair" : "team"}${first}`, size > 2, this.ledger);
      groups.push(group);
      for (const [at, { agent, voices }] of members.entries()) {
        const peer = group.isTeam ? undefined : members[1 - at]?.agent.username;
        const dice = random(seed + 1_000 * size + first + at);
        voices.push(new Voice({ agent, group, peer, ledger: this.ledger, dice, isOver: () => this.isOver }));
      }
    }
    return groups;
  }

  static async start(options: Options, folder: string, ledger: Ledger): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const { bug, kinds } = options;
    const args = kinds.length === 1 ? [] : SHORT_DRAIN;
    const made: Relay[] = [];
    for (let number = 0; number < RELAYS; number++) {
      const name = `relay ${number}`;
      made.push(await Relay.make({ name, log: join(folder, `relay-${number}.log`), ledger, bug, args }));
    }
    // Relays end before the engine does.
    const engine = stack.use(await Engine.start(made.map(({ road }) => road)));
    for (const relay of made) stack.use(relay);
    await using begun = new AsyncDisposableStack();
    const world = begun.use(new World(options, ledger, { relays: made, engine }, stack.move()));
    for (const relay of made) relay.start();
    await Promise.all(made.map((relay) => relay.ready()));
    await world.#meet();
    begun.move();
    return world;
  }

  /** All are registered, and all groups are there. */
  async #meet(): Promise<void> {
    for (const client of this.clients) {
      const wire = await this.#dial();
      const { type, data } = await wire.ask("register", client.agent.registration());
      if (type !== "registered") throw new Error(`nobody can register: ${JSON.stringify(data)}`);
      wire.end();
    }
    for (const group of this.groups) {
      const [founder, ...others] = this.clients.filter(({ voices }) => voices.some((voice) => voice.group === group));
      if (founder === undefined) continue;
      const agents = others.map(({ agent }) => agent);
      const [peer] = agents;
      if (peer === undefined) continue;
      const wire = await this.#dial();
      await founder.agentLogin(wire);
      const { data } = await wire.ask(
        "commit",
        group.isTeam ? founder.agent.founding(agents, group.id) : founder.agent.opening(peer, group.id),
      );
      if (data.status !== "committed") throw new Error(`there is no ${group.name}: ${JSON.stringify(data)}`);
      wire.end();
    }
  }

  #dial(): Promise<Wire> {
    return Wire.open(this.relays[0]?.port ?? 0);
  }

  /** What is still on its way. */
  get unfinished(): string | undefined {
    for (const { voices } of this.clients)
      for (const voice of voices) if (voice.waiting !== undefined) return `${voice.waiting} was not taken`;
    for (const { line, who } of this.lacking()) return `${line.text} did not come to ${who}`;
    return undefined;
  }

  /** Lines that were acknowledged, and those who have not heard them. */
  *lacking() {
    for (const { agent, voices } of this.clients)
      for (const { group, ear } of voices)
        for (const line of group.lines)
          if (line.isAcknowledged && line.from !== agent.username && !ear.heard.has(line.text))
            yield { line, who: agent.username };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}
