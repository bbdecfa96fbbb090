import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../test/processes/processes.ts";
import { eventually } from "../../test/waiting.ts";
import { Proxy } from "../shared/proxy.ts";
import { Agent, lifeOf } from "./agent.ts";
import { Ledger } from "./ledger.ts";
import { Teams } from "./groups/teams.ts";
import type { Options } from "./options.ts";
import type { Fault } from "./plan.ts";
import type { Process, Hooks } from "./process.ts";
import { Cluster } from "./relays/cluster.ts";
import { OneRelay } from "./relays/one-relay.ts";
import type { Relay } from "./relays/relay.ts";
import type { Relays } from "./relays/relays.ts";
import { unleash } from "./strangers.ts";

const RESTART_MS = 100;
const START_MS = 120_000;
/** Ends of a process that a fault of its disk explains. */
const BY_DISK = new Set(["home_unwritable", "disk_full", "store_busy", "internal"]);

/** Everything that takes part in a run. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "aimessage-chaos-"));
  readonly ledger = new Ledger();
  readonly hits = new Map<Fault, number>();
  readonly agents: Agent[] = [];
  relays!: Relays;
  /** Ends the attacks of strangers. @returns how many requests they have made */
  callOff: () => Promise<number> = async () => 0;
  teams: Teams | undefined;
  /** Called when a relay, or the engine of several, has died, before it is started again. */
  onRelayDeath: () => Promise<void> = async () => undefined;
  readonly #dying = new Map<Process, Fault>();

  static async start({ agents, bug, strangers, groups, seed, relays: count }: Options): Promise<World> {
    const world = new World();
    const logs = join(world.folder, "logs");
    mkdirSync(logs);
    const home = join(world.folder, "home");
    const ports: number[] = [];
    while (ports.length <= agents) ports.push(await freePort());
    const [relayPort = 0, ...proxyPorts] = ports;
    const hooks: Hooks = {
      line: (process, line) => {
        if (line.kind === "ready") {
          world.agents.find(({ processes }) => processes.includes(process))?.works();
          world.agents.find(({ sender }) => sender === process)?.resume();
        } else if (line.kind === "error") process.text += `${line.code}: ${line.message}\n`;
        else if (world.teams?.ledger.read(lifeOf(process), line) !== true) world.ledger.read(lifeOf(process), line);
      },
      died: (process, code, signal) => world.#died(process, code, signal),
      hit: (fault) => {
        world.hit(fault as Fault);
        const [only] = world.relays.all;
        if (fault === "sync-failed" && only !== undefined) void world.restartRelay(only, 300);
      },
      ...(groups ? { tapped: ({ name }, tapped) => world.teams?.tapped(name.replace(/-.*/, ""), tapped) } : {}),
    };
    const folder = join(world.folder, "relay");
    const surroundings = { folder, logs, port: relayPort, proxies: proxyPorts, bug, hooks };
    world.relays = count === 1 ? new OneRelay(surroundings) : await Cluster.start(count, seed, surroundings);
    await eventually("all relays start", () => world.relays.all.every(({ process }) => process.ready), START_MS);
    for (const [index, port] of proxyPorts.entries()) {
      const proxy = await Proxy.start({ port, to: relayPort });
      const name = `agent${index}`;
      const server = `ws://127.0.0.1:${port}/ws`;
      const agent = new Agent(name, home, logs, server, proxy, index % 2 === 1, bug, world.ledger, hooks);
      await agent.register();
      world.agents.push(agent);
    }
    for (const agent of world.agents) agent.startAll();
    if (strangers)
      world.callOff = await unleash(
        relayPort,
        world.agents.map(({ name }) => name),
      );
    const ready = () => world.agents.every(({ processes }) => processes.every((process) => process.ready));
    await eventually("all agents start", ready, START_MS);
    if (groups) {
      const teams = (world.teams = new Teams(world, seed));
      for (const agent of world.agents) agent.openOfTeams = (name) => teams.ledger.openOf(name);
      await teams.found();
    }
    return world;
  }

  get processes(): Process[] {
    return [...this.relays.all.map(({ process }) => process), ...this.agents.flatMap(({ processes }) => processes)];
  }

  hit(fault: Fault): void {
    this.hits.set(fault, (this.hits.get(fault) ?? 0) + 1);
  }

  /** This process was told to kill itself. */
  expectDeath(process: Process, fault: Fault): void {
    this.#dying.set(process, fault);
  }

  /** Kills a relay, and starts it after a while: milliseconds. */
  restartRelay(relay: Relay, afterMs: number): Promise<void> {
    return relay.turns.take(async () => {
      await relay.process.end("SIGKILL");
      await this.onRelayDeath();
      await delay(afterMs);
      relay.start();
    });
  }

  #died(process: Process, code: number | null, signal: NodeJS.Signals | null): void {
    const life = lifeOf(process);
    const fault = this.#dying.get(process);
    this.#dying.delete(process);
    const [why = ""] = process.text.split(":", 1);
    const relay = this.relays.all.find((one) => one.process === process);
    const isExplained = relay !== undefined && this.relays.explains(relay, code);
    if (signal === "SIGKILL" && fault !== undefined) this.hit(fault);
    else if (!isExplained && !(process.injured && code === 1 && BY_DISK.has(why)))
      this.ledger.violation(`${life} has ended with ${code ?? signal}: ${process.text.slice(0, 2000)}`);
    this.ledger.cutShort(life);
    process.ready = false;
    const agent = this.agents.find(({ processes }) => processes.includes(process));
    if (agent !== undefined)
      void agent.turns.take(async () => {
        await delay(RESTART_MS);
        agent.start(process);
      });
    if (relay !== undefined) void this.restartRelay(relay, RESTART_MS);
  }

  /** Resolves when nothing is being killed, started or put back. */
  async quiet(): Promise<void> {
    const all = [...this.relays.turns, ...[...this.relays.all, ...this.agents].map(({ turns }) => turns)];
    while (!all.every((turns) => turns.idle)) await Promise.all(all.map((turns) => turns.finished()));
  }
}
