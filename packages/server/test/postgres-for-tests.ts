/** A PostgreSQL for one test file, and a bad network in front of it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { eventually } from "../../../test/waiting.ts";

const programs = globSync("/usr/lib/postgresql/*/bin").sort().at(-1) ?? "/usr/bin";

/** Where there is none, tests that need it are skipped, and say so. */
export const isPostgresHere = existsSync(join(programs, "initdb"));
if (!isPostgresHere) process.stderr.write("no PostgreSQL here: its tests are skipped\n");

export interface Postgres {
  port: number;
  /** As its superuser. */
  url: string;
  address: Address;
  stop: () => Promise<void>;
}

/** Starts one on 127.0.0.1, in a folder of its own. It does not run as root: there it is run as the user that its package has made. */
export async function startPostgres(): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), "postgres-"));
  const isRoot = process.getuid?.() === 0;
  const [uid = 0, gid = 0] = isRoot ? ["-u", "-g"].map((of) => Number(execFileSync("id", [of, "postgres"]))) : [];
  const as = isRoot ? { uid, gid } : {};
  if (isRoot) chownSync(folder, uid, gid);
  const data = join(folder, "data");
  execFileSync(join(programs, "initdb"), ["-D", data, "-U", "relay", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"], {
    ...as,
    cwd: folder,
    stdio: "pipe",
  });
  const port = await freePort();
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`, "fsync=off"];
  const child = spawn(join(programs, "postgres"), ["-D", data, ...settings.flatMap((each) => ["-c", each])], {
    ...as,
    cwd: folder,
    stdio: "ignore",
  });
  const url = `postgres://relay@127.0.0.1:${port}/postgres`;
  const address = parseAddress(url);
  await using link = new Link(address, { settings: {} });
  await eventually("PostgreSQL answers", () =>
    link.use().then(
      () => true,
      () => false,
    ),
  );
  return { port, url, address, stop: () => stop(child, folder) };
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const gone = once(child, "exit");
  // At once: whoever is connected is not waited for.
  child.kill("SIGINT");
  await gone;
  rmSync(folder, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  return port;
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
    return parseAddress(`postgres://relay@127.0.0.1:${portOf(this.#server)}/postgres`);
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
