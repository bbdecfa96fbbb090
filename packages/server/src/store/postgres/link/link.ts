import type { Address, Host } from "./address.ts";
import { Connection, type Sql } from "./connection.ts";
import { errorText, LinkError, patience } from "./link-error.ts";

export type { Rows, Sql } from "./connection.ts";
export { LinkError, patience } from "./link-error.ts";

export interface LinkOptions {
  /** The engine's parameters for each connection, such as `search_path`; `application_name` tells operators whose it is. */
  settings: Readonly<Record<string, string | number>>;
  /** What each new connection needs before it is used. If it fails, so does the connection. */
  opened?: (sql: Sql) => Promise<unknown>;
  /** Gets what is notified of to this connection. Must not throw. */
  heard?: (payload: string) => void;
  /** How long a host may take to be ready, in milliseconds. */
  openMs?: number;
}

const OPEN_MS = 4000;
const END_MS = 1000;

/** One connection to the engine, made again when it is needed after it has broken. */
export class Link implements AsyncDisposable {
  readonly #address: Address;
  readonly #options: Required<LinkOptions>;
  /** The host that was right the last time is asked first. */
  #hosts: Host[];
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #isEnded = false;

  constructor(address: Address, options: LinkOptions) {
    this.#address = address;
    this.#hosts = [...address.hosts];
    this.#options = { opened: async () => {}, heard: () => {}, openMs: OPEN_MS, ...options };
  }

  /**
   * The connection as it is now: what is asked through it fails with a {@link LinkError} once that one has broken, also if the link
   * has been made again since.
   * @throws LinkError if there is none and none can be made: `unreachable`, or `closed` after {@link end}
   */
  async use(): Promise<Sql> {
    if (this.#isEnded) throw new LinkError("closed", "The connection to the engine is no longer wanted");
    const connection = this.#connection ?? (await (this.#opening ??= this.#open()));
    return connection.sql;
  }

  async #open(): Promise<Connection> {
    const refusals: string[] = [];
    let last: unknown;
    try {
      for (const host of this.#hosts) {
        try {
          const connection = await this.#openAt(host);
          this.#hosts = [host, ...this.#hosts.filter((other) => other !== host)];
          return connection;
        } catch (error) {
          if (error instanceof LinkError && error.kind === "closed") throw error;
          last = error;
          refusals.push(`${host.host}:${host.port}: ${errorText(error)}`);
        }
      }
    } finally {
      this.#opening = undefined;
    }
    throw new LinkError("unreachable", `The engine cannot be reached: ${refusals.join("; ")}`, last);
  }

  async #openAt(host: Host): Promise<Connection> {
    const { settings, opened, heard, openMs } = this.#options;
    const connection: Connection = new Connection({
      address: this.#address,
      host,
      settings,
      heard,
      onLost: () => {
        if (this.#connection === connection) this.#connection = undefined;
      },
    });
    try {
      await patience(connection.connect(), openMs);
      const [row] = await patience(connection.sql<{ standby: boolean }>(IS_STANDBY), openMs);
      if (row?.standby !== false) throw new LinkError("unreachable", "it is a standby");
      await patience(opened(connection.sql), openMs);
      if (this.#isEnded) throw new LinkError("closed", "The connection to the engine is no longer wanted");
      // From here on its end is told by onLost, and not by an error.
      if (connection.lost !== undefined) throw connection.lost;
      this.#connection = connection;
      return connection;
    } catch (error) {
      connection.cut();
      throw error;
    }
  }

  /** Ends the connection at once; the next use makes another. The engine may go on with what it was asked. */
  cut(): void {
    this.#connection?.cut();
  }

  /** Ends it when what was asked is answered, after a second at the latest; it is not made again. */
  async end(): Promise<void> {
    this.#isEnded = true;
    const connection = this.#connection;
    if (connection === undefined) return;
    await patience(connection.end(), END_MS).catch(() => connection.cut());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

const IS_STANDBY = "SELECT pg_is_in_recovery() AS standby";
