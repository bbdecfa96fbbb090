import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { freePort, random } from "../../../test/processes/processes.ts";
import { Balancer } from "../../shared/balancer.ts";
import { Postgres } from "../../shared/postgres.ts";
import { Proxy } from "../../shared/proxy.ts";
import { psql } from "../../shared/psql.ts";
import { Turns } from "../turns.ts";
import { Relay, type Surroundings } from "./relay.ts";
import { type Findings, findingsIn } from "./relay-log.ts";
import { idsOf, type Relays, STORED } from "./relays.ts";

/** A relay that others have declared dead ends with it. */
const FENCED = 70;
/** What a relay ends with that finds none at its start, or loses it then. */
const NO_ENGINE =
  /^Error: (The engine cannot be reached|The connection to the engine has ended|The engine did not answer)/m;
/** The balancer looks every 200 ms. */
const DRAIN = "500ms";
const RESTLESS_MS = 4_000;
/** The engine may be away meanwhile. */
const ASK_TRIES = 300;
const ASK_AGAIN_MS = 200;

/** A relay's way to the engine. */
export interface Way {
  proxy: Proxy;
  /** Something is done to it. */
  isBad: boolean;
}

/** Several relays over one PostgreSQL, each with a network of its own to it, behind a balancer that moves agents about. */
export class Cluster implements Relays {
  readonly all: readonly Relay[];
  readonly port: number;
  readonly haveDisks = false;
  readonly engine: Postgres;
  readonly turns = [new Turns()];
  readonly balancer: Balancer;
  readonly #ways: Map<Relay, Way>;
  readonly #url: string;
  readonly #logs: string;
  /** Relays that were away for so long that others may take them for dead. */
  readonly #missed = new Set<Relay>();
  #fenced = 0;
  #early = 0;

  private constructor(
    parts: { engine: Postgres; balancer: Balancer; ways: Map<Relay, Way>; url: string },
    { port, logs }: Surroundings,
  ) {
    this.all = [...parts.ways.keys()];
    this.engine = parts.engine;
    this.balancer = parts.balancer;
    this.#ways = parts.ways;
    this.#url = `${parts.url}?options=-csearch_path%3Daimessage`;
    this.port = port;
    this.#logs = logs;
  }

  static async start(count: number, seed: number, surroundings: Surroundings): Promise<Cluster> {
    mkdirSync(surroundings.folder);
    await using made = new AsyncDisposableStack();
    const engine = made.use(await Postgres.create());
    const { url } = await engine.database();
    const ways = new Map<Relay, Way>();
    for (let number = 1; number <= count; number++) {
      const proxy = made.use(await Proxy.start({ port: 0, to: engine.port }));
      const store = url.replace(`:${engine.port}/`, `:${proxy.port}/`);
      const port = await freePort();
      const place = ["--store", store, "--drain", DRAIN, "--files", surroundings.folder];
      ways.set(new Relay({ name: `relay${number}`, port, place, surroundings }), { proxy, isBad: false });
    }
    const { port } = surroundings;
    const to = [...ways.keys()].map((relay) => relay.port);
    const restless = { everyMs: RESTLESS_MS, random: random(seed + 1) };
    const balancer = made.use(await Balancer.start({ port, to, restless }));
    for (const relay of ways.keys()) relay.start();
    made.move();
    return new Cluster({ engine, balancer, ways, url }, surroundings);
  }

  wayOf(relay: Relay): Way | undefined {
    return this.#ways.get(relay);
  }

  /** Something is done to a relay that keeps it away for so long that others may take it for dead. */
  expectFence(relay: Relay): void {
    this.#missed.add(relay);
  }

  async ask<R>(sql: string): Promise<R[]> {
    for (let tries = 1; ; tries++)
      try {
        const rows = await psql(this.#url, `SELECT coalesce(json_agg(rows), '[]') FROM (${sql}) rows`);
        return JSON.parse(rows) as R[];
      } catch (error) {
        if (tries === ASK_TRIES) throw error;
        await delay(ASK_AGAIN_MS);
      }
  }

  async stored(): Promise<Set<string>> {
    return idsOf(await this.ask<{ id: string }>(STORED));
  }

  explains(relay: Relay, code: number | null): boolean {
    // Whoever keeps relays running starts it again until there is an engine.
    if (code === 1 && NO_ENGINE.test(relay.process.text)) {
      this.#early += 1;
      return true;
    }
    if (code !== FENCED || !this.#missed.delete(relay)) return false;
    this.#fenced += 1;
    return true;
  }

  lift(): void {
    for (const { proxy } of this.#ways.values()) proxy.weather = { kind: "fair" };
  }

  async findings(): Promise<Findings> {
    const { violations, counts } = findingsIn(this.#logs);
    return {
      violations,
      counts: { ...counts, "relays taken for dead": this.#fenced, "starts without an engine": this.#early },
    };
  }

  async end(): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    for (const { proxy } of this.#ways.values()) await proxy[Symbol.asyncDispose]();
    await this.engine[Symbol.asyncDispose]();
  }
}
