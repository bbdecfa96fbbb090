import { Socket } from "node:net";
import { Client, DatabaseError, type QueryResult, types } from "pg";
import type { Address, Host } from "./address.ts";
import { errorText, LinkError } from "./link-error.ts";
import { parameterOf } from "./parameters.ts";
import { passwordFor } from "./password.ts";

/** What a statement has given, and how many rows it has read or changed. */
export type Rows<R extends object> = R[] & { count: number };

/**
 * Asks the engine. Statements leave at once, without waiting for those before, and are done in the order of the calls. With values (an
 * empty list, too) a statement is prepared once for each connection; without, the text may hold several.
 *
 * A promise that nobody awaits may fail unnoticed: after the first failure of a transaction all the rest fail too.
 * @throws TypeError, at once and with nothing sent, for a value that is none of null, undefined, string, number, bigint, boolean,
 * bytes, and lists of these
 */
export type Sql = <R extends object = Record<string, never>>(
  text: string,
  values?: readonly unknown[],
) => Promise<Rows<R>>;

interface ConnectionOptions {
  address: Address;
  host: Host;
  /** The engine's parameters for this connection. */
  settings: Readonly<Record<string, string | number>>;
  /** Gets what other connections notify of. Must not throw. */
  heard: (payload: string) => void;
  onLost: (error: LinkError) => void;
}

/**
 * After an answer that took so long all statements are planned anew, unless they were so just before. What is best for tables that are as good
 * as empty, and those of mail become so again and again, reads all of them later; and the engine itself plans anew only when it has
 * counted the rows once more, minutes later. Milliseconds.
 */
const SLOW_MS = 100;
const PLAN_MS = 2000;
const KEEP_ALIVE_MS = 10_000;
const CONNECT_MS = 4000;

/** Names of prepared statements: a name for each text in this process. */
const names = new Map<string, string>();

/** One connection to one host. Once it is lost it stays so, and everything that is asked through it fails with {@link LinkError}. */
export class Connection {
  readonly #socket = new Socket();
  readonly #client: Client;
  readonly #waiting = new Set<(error: LinkError) => void>();
  readonly #onLost: (error: LinkError) => void;
  #lost: LinkError | undefined;
  #isGathering = false;
  /** Since when statements have their plans, by `performance.now()`; and whether one of them has taken long since. */
  #plannedAt = performance.now();
  #isSlow = false;

  constructor({ address, host, settings, heard, onLost }: ConnectionOptions) {
    this.#onLost = onLost;
    this.#client = new Client({
      host: host.host,
      port: host.port,
      user: address.user,
      database: address.database,
      // The type wants a string, but what is not known is left out of the conversation.
      password: () => passwordFor(address, host) as Promise<string>,
      ssl: host.tls,
      // Held here too, since only by its socket a connection can be ended that no longer answers.
      stream: () => this.#socket,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      connectionTimeoutMillis: CONNECT_MS,
      pipeline: true,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${String(value).replace(/[\\ ]/g, "\\$&")}`)
        .join(" "),
      types: { getTypeParser },
    });
    // An error that nobody listens for would end the process.
    this.#client.on("error", (error) => this.#lose("broken", error));
    this.#client.on("end", () => this.#lose("broken", undefined));
    this.#client.on("notification", ({ payload = "" }) => heard(payload));
  }

  /** Why nothing can be asked any more. */
  get lost(): LinkError | undefined {
    return this.#lost;
  }

  /** Resolves when statements can be asked. @throws what the engine or the system says */
  async connect(): Promise<void> {
    await this.#client.connect();
  }

  readonly sql: Sql = <R extends object>(text: string, values?: readonly unknown[]): Promise<Rows<R>> => {
    const parameters = values?.map(parameterOf);
    this.#gather();
    const rows = new Promise<Rows<R>>((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost);
        return;
      }
      const began = performance.now();
      this.#waiting.add(reject);
      this.#query<R>(text, parameters).then(
        (result) => {
          this.#waiting.delete(reject);
          if (performance.now() - began > SLOW_MS) this.#isSlow = true;
          // A text of several statements has several results.
          const last = Array.isArray(result) ? (result.at(-1) as QueryResult<R>) : result;
          resolve(Object.assign(last.rows, { count: last.rowCount ?? 0 }));
        },
        (error: unknown) => {
          if (isEnd(error)) this.#lose("broken", error);
          this.#waiting.delete(reject);
          reject(error);
        },
      );
    });
    rows.catch(() => {});
    return rows;
  };

  /** What is asked in one turn leaves together. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      this.#socket.uncork();
    });
  }

  async #query<R extends object>(text: string, values?: unknown[]): Promise<QueryResult<R>> {
    if (values === undefined) return this.#client.query<R>(text);
    this.#replan();
    let name = names.get(text);
    if (name === undefined) names.set(text, (name = `s${names.size}`));
    return this.#client.query<R>({ name, text, values });
  }

  #replan(): void {
    const now = performance.now();
    if (!this.#isSlow || now - this.#plannedAt < PLAN_MS) return;
    this.#isSlow = false;
    this.#plannedAt = now;
    // In a transaction that has failed it is refused, as all the rest is.
    this.#client.query("DISCARD PLANS").catch(() => undefined);
  }

  #lose(kind: LinkError["kind"], cause: unknown): void {
    if (this.#lost !== undefined) return;
    const why = cause === undefined ? "" : `: ${errorText(cause)}`;
    this.#lost = new LinkError(kind, `The connection to the engine has ended${why}`, cause);
    for (const reject of this.#waiting) reject(this.#lost);
    this.#waiting.clear();
    this.#socket.destroy();
    this.#onLost(this.#lost);
  }

  /** Ends it at once. What the engine was asked before it may do all the same. */
  cut(): void {
    this.#lose("broken", undefined);
  }

  /** Takes leave when all that was asked is answered. */
  async end(): Promise<void> {
    await this.#client.end();
    this.#lose("closed", undefined);
  }
}

/** Numbers of 64 bits as numbers: all of ours are below 2^53. */
const getTypeParser = ((oid: number, format?: "text") => {
  if (oid === INT8) return Number;
  const parser = types.getTypeParser(oid, format) as (text: string) => unknown;
  if (oid !== INT8_LIST) return parser;
  return (text: string) => (parser(text) as (string | null)[]).map((each) => (each === null ? null : Number(each)));
}) as typeof types.getTypeParser;

/** Types of 64 bits (https://www.postgresql.org/docs/15/catalog-pg-type.html). */
const INT8 = 20;
const INT8_LIST = 1016;

/** Whether an error ends its connection, so that it tells nothing about the statement (https://www.postgresql.org/docs/15/errcodes-appendix.html). */
function isEnd(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return true;
  const { severity = "", code = "" } = error;
  return severity === "FATAL" || severity === "PANIC" || /^(08|57P|25P03|53300)/.test(code);
}
