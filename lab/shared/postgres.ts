import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { freePort } from "../../test/processes/processes.ts";
import { eventually } from "../../test/waiting.ts";
import { freezeWithChildren, killWithChildren, thawWithChildren } from "./descendants.ts";
import { Keeper } from "./keeper.ts";
import { findPostgres, OLDEST_POSTGRES, postgresEnvironment, postgresUser } from "./postgres-programs.ts";
import { psql } from "./psql.ts";

const START_MS = 60_000;
const STANDBY_MS = 60_000;
/** The end of the log that an error quotes. Characters. */
const QUOTED = 2_000;
/** How a server is told to stop: when all have left, when it has sent them away, or at once and with a recovery at its next start. */
const STOPS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

/**
 * Small, and with little log: many servers lie in memory. Whoever is behind may be so by as much as `wal_keep_size`. What processes
 * share lies in the folder, since a server that is killed leaves it.
 */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  shared_buffers: "128MB",
  dynamic_shared_memory_type: "mmap",
  max_connections: "100",
  min_wal_size: "32MB",
  max_wal_size: "128MB",
  wal_keep_size: "64MB",
  fsync: "on",
};

/** What postgresql.conf would say, by its names. */
type PostgresSettings = Readonly<Record<string, string>>;

/**
 * A PostgreSQL in a temporary folder, over all its lives. It trusts whoever connects to 127.0.0.1, or to the socket in its folder,
 * and ends with this process, however that ends.
 */
export class Postgres implements AsyncDisposable {
  readonly #programs = neededPrograms();
  readonly #user = postgresUser();
  /** Has the data, the socket and the log. */
  readonly folder = mkdtempSync(join(tmpdir(), "pg-"));
  readonly data = join(this.folder, "data");
  /** By which the server that it follows knows it. */
  readonly name = basename(this.folder);
  readonly #keeper = new Keeper(this.folder);
  readonly #settings: PostgresSettings;
  #port = 0;
  #databases = 0;
  #server: ChildProcess | undefined;

  private constructor(settings: PostgresSettings) {
    this.#settings = settings;
    const { uid, gid } = this.#user;
    if (uid !== undefined && gid !== undefined) chownSync(this.folder, uid, gid);
  }

  /** A new server, which answers. @throws Error if there is no PostgreSQL here, or it does not start: with what it has said */
  static async create(settings: PostgresSettings = {}): Promise<Postgres> {
    await using made = new AsyncDisposableStack();
    const server = made.use(new Postgres(settings));
    const words = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"];
    await server.#fill("initdb", words);
    made.move();
    return server;
  }

  /** Stays the same over all lives. */
  get port(): number {
    return this.#port;
  }

  /** Of the database `postgres`, for whoever administers. */
  get url(): string {
    return this.#urlOf("postgres");
  }

  /** Of the process that all others of the server are children of. @throws Error if it does not run */
  get pid(): number {
    if (this.#server?.pid === undefined || !this.isRunning) throw new Error("PostgreSQL does not run");
    return this.#server.pid;
  }

  get isRunning(): boolean {
    return this.#server !== undefined && this.#server.exitCode === null && this.#server.signalCode === null;
  }

  /** Everything that it has logged. */
  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  /** Resolves when it answers. @throws Error if it does not, with what it has said */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error("PostgreSQL runs already");
    const own = { cluster_name: this.name, unix_socket_directories: this.folder, port: `${this.#port}` };
    const settings = { ...SETTINGS, ...this.#settings, ...own };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const server = this.#spawn("postgres", ["-D", this.data, ...args]);
    this.#server = server;
    server.once("exit", () => this.#keeper.keep(undefined));
    await eventually("PostgreSQL answers or ends", () => this.#isReady() || !this.isRunning, START_MS);
    if (!this.isRunning) throw new Error(`PostgreSQL has not started: ${this.log.slice(-QUOTED)}`);
    server.unref();
  }

  /** Resolves when it has ended, as a frozen one does, too. */
  async stop(mode: keyof typeof STOPS = "fast"): Promise<void> {
    if (this.isRunning) this.thaw();
    await this.#end(() => process.kill(this.pid, STOPS[mode]));
  }

  /** Ends all its processes at once, as the death of its machine would. */
  async kill(): Promise<void> {
    await this.#end(() => killWithChildren(this.pid));
  }

  /** From now on all that follow it get nothing more, and do not know it. */
  async forsakeStandbys(): Promise<void> {
    const senders = await this.query("SELECT pid FROM pg_stat_replication");
    for (const pid of senders.split("\n").filter((line) => line !== "")) process.kill(Number(pid), "SIGSTOP");
  }

  /** Stops all its processes where they are: connections stay open, and nothing answers. */
  freeze(): void {
    freezeWithChildren(this.pid);
  }

  thaw(): void {
    thawWithChildren(this.pid);
  }

  /** Runs SQL as whoever administers: see psql.ts. */
  query(sql: string): Promise<string> {
    return psql(this.url, sql);
  }

  /** A new empty database. @returns its URL, and what drops it with all connections to it */
  async database(): Promise<{ url: string } & AsyncDisposable> {
    const name = `test_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    const drop = async () => void (await this.query(`DROP DATABASE ${name} WITH (FORCE)`));
    return { url: this.#urlOf(name), [Symbol.asyncDispose]: drop };
  }

  /**
   * A server that repeats all that this one does. From a synchronous one on, nothing is committed here before that one has it on
   * its disk, and nothing at all while it is away.
   */
  async standby({ synchronous }: { synchronous: boolean }): Promise<Postgres> {
    await using made = new AsyncDisposableStack();
    const standby = made.use(new Postgres(this.#settings));
    const from = ["-h", "127.0.0.1", "-p", `${this.#port}`, "-U", "postgres"];
    await standby.#fill("pg_basebackup", [...from, "-R", "-X", "stream", "-c", "fast"]);
    // Whom this server waits for was copied.
    await standby.#waitFor("");
    const follows = async (how: string): Promise<boolean> => {
      const found = `SELECT count(*) FROM pg_stat_replication
        WHERE application_name = '${standby.name}' AND state = 'streaming' AND sync_state = '${how}'`;
      return (await this.query(found)) === "1";
    };
    // As long as it is behind nobody waits for it.
    await eventually("the standby follows", () => follows("async"), STANDBY_MS);
    if (synchronous) {
      await this.#waitFor(`"${standby.name}"`);
      await eventually("the standby is waited for", () => follows("sync"), STANDBY_MS);
    }
    made.move();
    return standby;
  }

  /** Makes a server of its own of a standby, which takes writes when this resolves. @throws Error if it is none */
  async promote(): Promise<void> {
    // A query that waits for it would itself hinder it.
    await this.query("SELECT pg_promote(wait => false)");
    const isDone = async (): Promise<boolean> => (await this.query("SELECT pg_is_in_recovery()")) === "f";
    await eventually("the standby is promoted", isDone, STANDBY_MS);
  }

  /** Ends it without ceremony and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("immediate");
    await this.#keeper[Symbol.asyncDispose]();
  }

  /** Has a program make the data, then starts. */
  async #fill(program: string, args: string[]): Promise<void> {
    const sync = this.#settings["fsync"] === "off" ? ["--no-sync"] : [];
    const filler = this.#spawn(program, ["-D", this.data, ...args, ...sync]);
    const [code] = (await once(filler, "exit")) as [number | null];
    this.#keeper.keep(undefined);
    if (code !== 0) throw new Error(`${program} has failed: ${this.log.slice(-QUOTED)}`);
    this.#port = await freePort();
    await this.start();
  }

  async #waitFor(standby: string): Promise<void> {
    await this.query(`ALTER SYSTEM SET synchronous_standby_names = '${standby}'`);
    await this.query("SELECT pg_reload_conf()");
  }

  #urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/${database}`;
  }

  /** Whether the server has written into its lock file that it answers, where one that was killed may have left another. */
  #isReady(): boolean {
    try {
      const lines = readFileSync(join(this.data, "postmaster.pid"), "utf8").split("\n");
      return Number(lines[0]) === this.#server?.pid && lines[7]?.trim() === "ready";
    } catch {
      return false;
    }
  }

  /** A program that may touch the folder, as the one process that is kept. */
  #spawn(program: string, args: string[]): ChildProcess {
    const log = openSync(join(this.folder, "log"), "a");
    const child = spawn(join(this.#programs, program), args, {
      ...this.#user,
      cwd: this.folder,
      env: postgresEnvironment(),
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#keeper.keep(child.pid);
    return child;
  }

  async #end(how: () => unknown): Promise<void> {
    const server = this.#server;
    if (server === undefined || !this.isRunning) return;
    server.ref();
    const gone = once(server, "exit");
    await how();
    await gone;
  }
}

/** @throws Error if there are none */
function neededPrograms(): string {
  const folder = findPostgres();
  if (folder === undefined) throw new Error(`there is no PostgreSQL ${OLDEST_POSTGRES} or newer`);
  return folder;
}
