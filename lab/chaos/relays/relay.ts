import { join } from "node:path";
import { builtRelay } from "../../../test/built.ts";
import type { Bug } from "../bugs.ts";
import { Process, type Hooks } from "../process.ts";
import { Turns } from "../turns.ts";

/** Faults make many connections, openings and claims of honest agents; all other limits are as they are by default. */
const ROOM_FOR_FAULTS = [
  "--claims-per-hour=100000",
  "--publishes-per-hour=100000",
  "--connections-per-second=0",
  "--address-connections-per-second=0",
  "--address-claims-per-second=0",
];

export interface RelayOptions {
  name: string;
  port: number;
  /** Where it keeps what it has, and what else it is told. */
  place: string[];
  surroundings: Surroundings;
}

/** What all relays of a run have in common. */
export interface Surroundings {
  folder: string;
  logs: string;
  /** Where agents connect: the relays' own, or their balancer's, and that of each agent's proxy. */
  port: number;
  proxies: number[];
  bug: Bug | undefined;
  hooks: Hooks;
}

/** A relay under test. */
export class Relay {
  readonly process: Process;
  readonly port: number;
  readonly turns = new Turns();
  ended = false;
  #clock = 0;

  constructor({ name, port, place, surroundings }: RelayOptions) {
    const { logs, bug, hooks } = surroundings;
    this.port = port;
    const names = [surroundings.port, ...surroundings.proxies].flatMap((one) => [
      "--public-url",
      `ws://127.0.0.1:${one}/ws`,
    ]);
    const args = [builtRelay(), "--port", String(port), ...place, ...ROOM_FOR_FAULTS, ...names];
    this.process = new Process(name, "relay", args, join(logs, `${name}.log`), bug, hooks);
  }

  start(): void {
    if (!this.ended && !this.process.running) this.process.start(this.#clock);
  }

  setClock(offset: number): void {
    this.#clock = offset;
  }
}
