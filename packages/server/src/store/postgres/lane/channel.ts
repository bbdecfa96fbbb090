import { setImmediate } from "node:timers/promises";
import type { Address } from "../link/address.ts";
import { Link, LinkError, patience, type Sql } from "../link/link.ts";
import { channelPrefix, decodeMessage, encodeMessage, type Message, PAYLOAD_BYTES } from "./messages.ts";

interface ChannelOptions {
  address: Address;
  /** To which `search_path` leads, and after which channels are named. */
  schema: string;
  /** The engine's parameters for its connection, beside its own. */
  settings?: Readonly<Record<string, string | number>>;
  /** How long the engine may take for a message: milliseconds. */
  patienceMs?: number;
}

/** What a relay does about what others tell it. Must not throw. */
interface ChannelEars {
  message(message: Message): void;
  /** The connection was made again: anything may have been missed. */
  reopened(): void;
}

/**
 * Nothing here is worth waiting for the disk. And a listener that takes nothing is dropped: else what it does not read fills the queue that all
 * notifications of the engine share.
 */
const BUS_SETTINGS = { synchronous_commit: "off", tcp_user_timeout: 10_000, plan_cache_mode: "force_generic_plan" };
const PATIENCE_MS = 3000;

/** Each to its relay, or where that is null to all but this one; dead ones get nothing. */
const NOTIFY = `SELECT n, pg_notify($4 || r.relay, text) FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS m(relay, text, n)
  JOIN relays r ON r.relay = m.relay OR (m.relay IS NULL AND r.relay <> $3) ORDER BY n`;

const SEND_PARCEL = `WITH sent AS (
  INSERT INTO parcels (relay, text) SELECT relay, $2 FROM relays WHERE relay = $1 OR ($1::bigint IS NULL AND relay <> $3) RETURNING id, relay
) SELECT pg_notify($4 || relay, '{"type":"parcel","id":' || id || '}') FROM sent`;
const FETCH_PARCEL = "DELETE FROM parcels WHERE id = $1 AND relay = $2 RETURNING text";
const FORGET_PARCELS = "DELETE FROM parcels WHERE at < clock_timestamp() - interval '1 minute'";

interface Posted {
  /** Undefined: all others. */
  relay: number | undefined;
  text: string;
  /** Told to how many relays it was sent. */
  sent: (relays: number) => void;
}

/**
 * How relays of one store tell each other something: by notifications, each in a transaction of its own, since one that writes would
 * hold a lock of the whole engine until its disk has it. What is told may get lost; then everything is looked at.
 */
export class Channel implements AsyncDisposable {
  /** Its connection, for a heartbeat too: so it is made again soon after it has broken. */
  readonly link: Link;
  readonly #prefix: string;
  readonly #patienceMs: number;
  #relay: number | undefined;
  #ears: ChannelEars = { message: () => {}, reopened: () => {} };
  #posted: Posted[] = [];
  /** Settled when all that was posted is told, or is not. */
  #posting: Promise<void> | undefined;
  /** Something could not be told, and nobody knows what to whom. */
  #isOwing = false;

  /** @throws TypeError if the schema has a name that would need quotes */
  constructor({ address, schema, settings, patienceMs = PATIENCE_MS }: ChannelOptions) {
    this.#prefix = channelPrefix(schema);
    this.#patienceMs = patienceMs;
    this.link = new Link(address, {
      settings: { search_path: schema, ...BUS_SETTINGS, ...settings },
      opened: (sql) => this.#opened(sql),
      heard: (payload) => this.#heard(payload),
    });
  }

  /** To be called once, before {@link listen}. */
  hear(ears: ChannelEars): void {
    this.#ears = ears;
  }

  /** From now on the relay of that number hears what it is told. @throws LinkError */
  async listen(relay: number): Promise<void> {
    const sql = await this.link.use();
    await patience(sql(`LISTEN ${this.#prefix}${relay}`), this.#patienceMs);
    this.#relay = relay;
  }

  async #opened(sql: Sql): Promise<void> {
    if (this.#relay === undefined) return;
    await sql(`LISTEN ${this.#prefix}${this.#relay}`);
    void setImmediate().then(() => {
      this.#makeUp();
      this.#ears.reopened();
    });
  }

  /** What could not be told is found by whoever looks at everything. */
  #makeUp(): void {
    if (!this.#isOwing) return;
    this.#isOwing = false;
    void this.tellAll({ type: "all" });
  }

  /** Tells one relay something, soon. */
  tell(relay: number, message: Message): void {
    void this.#post(relay, message);
  }

  /** Tells all others. Resolves with how many they are; 0 if it could not be told. */
  tellAll(message: Message): Promise<number> {
    return this.#post(undefined, message);
  }

  async #post(relay: number | undefined, message: Message): Promise<number> {
    const sent = encodeMessage(message).map(
      (text) => new Promise<number>((resolve) => this.#posted.push({ relay, text, sent: resolve })),
    );
    // What is told in the same turn goes together.
    this.#posting ??= setImmediate().then(() => this.#run());
    return Math.max(0, ...(await Promise.all(sent)));
  }

  /** One statement at a time: what is told meanwhile shares the next. */
  async #run(): Promise<void> {
    while (this.#posted.length > 0) {
      const posted = this.#posted;
      this.#posted = [];
      try {
        await patience(this.#send(posted), this.#patienceMs);
        this.#makeUp();
      } catch (error) {
        if (error instanceof LinkError && error.kind === "timeout") this.link.cut();
        this.#isOwing = true;
        for (const { sent } of posted) sent(0);
      }
    }
    this.#posting = undefined;
  }

  async #send(posted: Posted[]): Promise<void> {
    const sql = await this.link.use();
    const short = posted.filter(({ text }) => Buffer.byteLength(text) <= PAYLOAD_BYTES);
    const long = posted.filter((each) => !short.includes(each));
    const self = this.#relay ?? 0;
    const statements = long.map(async ({ relay, text, sent }) =>
      sent((await sql(SEND_PARCEL, [relay, text, self, this.#prefix])).count),
    );
    if (long.length > 0) statements.push(sql(FORGET_PARCELS, []).then(() => {}));
    if (short.length > 0) {
      const values = [short.map(({ relay }) => relay), short.map(({ text }) => text), self, this.#prefix];
      const notified = sql<{ n: number }>(NOTIFY, values).then((rows) => {
        const counts = new Map<number, number>();
        for (const { n } of rows) counts.set(n, (counts.get(n) ?? 0) + 1);
        short.forEach(({ sent }, i) => sent(counts.get(i + 1) ?? 0));
      });
      statements.push(notified);
    }
    await Promise.all(statements);
  }

  /** Called by the connection: must not throw. */
  #heard(payload: string): void {
    const message = decodeMessage(payload);
    if (message?.type === "parcel") void this.#fetch(message.id).catch(() => this.#ears.reopened());
    else if (message !== undefined) this.#ears.message(message);
  }

  async #fetch(id: number): Promise<void> {
    const rows = (await this.link.use())<{ text: string }>(FETCH_PARCEL, [id, this.#relay]);
    const [row] = await patience(rows, this.#patienceMs);
    if (row !== undefined) this.#heard(row.text);
  }

  /** What was told before is told still, if the engine answers. */
  async end(): Promise<void> {
    await this.#posting;
    await this.link.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
