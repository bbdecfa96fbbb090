/** A PostgreSQL for one test file, and a bad network in front of it. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { Postgres as Engine } from "../../../lab/shared/postgres.ts";
import { hasPostgres } from "../../../test/postgres.ts";
import { type Address, parseAddress } from "../src/store/postgres/link/address.ts";
import { Link, type Sql } from "../src/store/postgres/link/link.ts";

export interface Postgres {
  port: number;
  /** As its superuser. */
  url: string;
  address: Address;
  stop: () => Promise<void>;
}

/** Starts one of the file's own, which may be treated badly. */
export async function startPostgres(): Promise<Postgres> {
  const engine = await Engine.create({ fsync: "off" });
  const { port, url } = engine;
  return { port, url, address: parseAddress(url), stop: () => engine[Symbol.asyncDispose]() };
}

/** The same for all tests of a file, with a connection of its superuser. To be called outside of them. */
export function engineOfFile(): { readonly postgres: Postgres; readonly admin: Sql } {
  let postgres: Postgres;
  let link: Link;
  let admin: Sql;
  beforeAll(async () => {
    if (!hasPostgres) return;
    postgres = await startPostgres();
    link = new Link(postgres.address, { settings: {} });
    admin = await link.use();
  });
  afterAll(async () => {
    await link?.end();
    await postgres?.stop();
  });
  return {
    get postgres() {
      return postgres;
    },
    get admin() {
      return admin;
    },
  };
}

const portOf = (server: Server): number => (server.address() as { port: number }).port;

interface Wire {
  client: Socket;
  engine: Socket;
  /** What the client has said and the engine has not got yet; undefined: nothing is held back. */
  held: Buffer[] | undefined;
  isMuted: boolean;
}

/** A network between a relay and the engine that can be cut, or stand still. */
export class BadNetwork implements AsyncDisposable {
  readonly #server: Server;
  readonly #wires = new Set<Wire>();
  /** Connections are ended as they come. */
  isDown = false;

  constructor(port: number) {
    this.#server = createServer((client) => {
      if (this.isDown) {
        client.destroy();
        return;
      }
      const wire: Wire = { client, engine: connect(port, "127.0.0.1"), held: undefined, isMuted: false };
      const { engine } = wire;
      this.#wires.add(wire);
      client.on("data", (data: Buffer) => (wire.held === undefined ? engine.write(data) : wire.held.push(data)));
      engine.on("data", (data: Buffer) => wire.isMuted || client.write(data));
      for (const socket of [client, engine]) socket.on("error", () => {});
      engine.on("close", () => {
        this.#wires.delete(wire);
        client.destroy();
      });
      client.on("close", () => wire.held === undefined && engine.destroy());
    });
  }

  /** @returns the address by which the engine is reached through it */
  async listen(): Promise<Address> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return parseAddress(`postgres://postgres@127.0.0.1:${portOf(this.#server)}/postgres`);
  }

  /** Nothing more comes from the engine. */
  mute(): void {
    for (const wire of this.#wires) wire.isMuted = true;
  }

  /** Both sides learn that the connection has ended; what was on its way may be lost. */
  cut(): void {
    for (const { client, engine } of this.#wires) {
      client.destroy();
      engine.destroy();
    }
  }

  /** Nothing more comes to the engine. */
  hold(): void {
    for (const wire of this.#wires) wire.held ??= [];
  }

  /** The client learns that its connection has ended; the engine gets later what was said before. */
  cutLate(): void {
    this.hold();
    for (const { client } of this.#wires) client.destroy();
  }

  /** What was held back comes after all. */
  release(): void {
    for (const wire of this.#wires) {
      for (const data of wire.held ?? []) wire.engine.write(data);
      wire.held = undefined;
      if (wire.client.destroyed) wire.engine.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
