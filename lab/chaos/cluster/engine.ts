import { setTimeout as delay } from "node:timers/promises";
import { Postgres } from "../../shared/postgres.ts";
import { Proxy, type Weather } from "../../shared/proxy.ts";

/** What an asynchronous standby lacks when it is promoted, at least: milliseconds. */
const BEHIND_MS = 1_500;
/** A primary and a standby. */
const HOSTS = 2;

/** The way from one relay to each of the two hosts where the engine may be. */
export class Road implements AsyncDisposable {
  readonly #proxies: Proxy[];

  private constructor(proxies: Proxy[]) {
    this.#proxies = proxies;
  }

  static async make(): Promise<Road> {
    return new Road(await Promise.all(Array.from({ length: HOSTS }, () => Proxy.start({ port: 0, to: 0 }))));
  }

  /** What the relay is told. */
  get url(): string {
    return `postgres://postgres@${this.#proxies.map(({ port }) => `127.0.0.1:${port}`).join(",")}/postgres`;
  }

  set weather(weather: Weather) {
    for (const proxy of this.#proxies) proxy.weather = weather;
  }

  /** Where each host is, 0 if it is nowhere. */
  lead(ports: readonly number[]): void {
    this.#proxies.forEach((proxy, host) => (proxy.to = ports[host] ?? 0));
  }

  cut(): void {
    for (const proxy of this.#proxies) proxy.cut();
  }

  deliverLate(ms: number): void {
    for (const proxy of this.#proxies) proxy.deliverLate(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies) await proxy[Symbol.asyncDispose]();
  }
}

/** PostgreSQL, now at one host and now at the other. */
export class Engine implements AsyncDisposable {
  readonly #hosts: (Postgres | undefined)[] = Array.from({ length: HOSTS });
  readonly #roads: readonly Road[];
  #primary = 0;

  private constructor(roads: readonly Road[]) {
    this.#roads = roads;
  }

  static async start(roads: readonly Road[]): Promise<Engine> {
    const engine = new Engine(roads);
    engine.#hosts[0] = await Postgres.create();
    engine.#lead();
    return engine;
  }

  get #server(): Postgres {
    return this.#hosts[this.#primary] as Postgres;
  }

  #lead(): void {
    for (const road of this.#roads) road.lead(this.#hosts.map((host) => host?.port ?? 0));
  }

  /** Runs SQL upon the relays' tables. @throws Error if it is away */
  query(sql: string): Promise<string> {
    return this.#server.query(`SET search_path = aimessage; ${sql}`);
  }

  /** As its machine would die, and start again after so many milliseconds. */
  async killAndStart(ms: number): Promise<void> {
    const server = this.#server;
    await server.kill();
    await delay(ms);
    await server.start();
  }

  /** A standby that is to take its place. Without `synchronous` it may lack what was acknowledged. */
  async prepareFailover(synchronous: boolean): Promise<void> {
    const host = 1 - this.#primary;
    this.#hosts[host] = await this.#server.standby({ synchronous });
    this.#lead();
  }

  /** Kills the primary for good, and promotes the standby. */
  async failOver(synchronous: boolean): Promise<void> {
    const host = 1 - this.#primary;
    const standby = this.#hosts[host] as Postgres;
    const old = this.#server;
    if (!synchronous) {
      await old.forsakeStandbys();
      await delay(BEHIND_MS);
    }
    await old.kill();
    await standby.promote();
    this.#hosts[this.#primary] = undefined;
    this.#primary = host;
    this.#lead();
    await old[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host?.[Symbol.asyncDispose]();
  }
}
