/** That the relay hears whom the owner has written to or accepted, and whom it has blocked. [P-7.5] */
import type { RelayFrameData } from "../protocol/index.ts";
import type { ReadTransaction } from "../store/store.ts";
import { type Connection, isTemporary } from "../wire/connection.ts";
import { type Answered, asAck } from "../delivery/flight.ts";
import { get, put } from "../records/records.ts";
import type { PeerStanding } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

/** Names in one frame: less than a relay takes. */
const AT_ONCE = 200;
const RETRY_MS = 60_000;

/**
 * Tells the relay on one connection: what has changed, and everything to a relay whose log is another than the one that
 * was told before. One frame at a time, and ahead of the messages of its turn, so that it is answered before them.
 */
export class PeersAtRelay {
  /** When there is something to say again, by `performance.now()`; Infinity if nothing waits for that. */
  dueAt = Infinity;
  readonly #connection: Connection;
  readonly #log: string;
  /** Of all, the name up to which it has heard of them; undefined if of each. Read once: nobody else writes it. */
  #told: { upTo: string | undefined } | undefined;
  #sent: { names: [string, PeerStanding][]; upTo: string | undefined } | undefined;
  #answer: Answered<RelayFrameData<"ack">> | undefined;
  /** The relay does not take it: it may be older than this frame. */
  #refused = false;

  constructor(connection: Connection, log: string) {
    this.#connection = connection;
    this.#log = log;
  }

  async turn(turn: Turn): Promise<void> {
    await this.#apply(turn);
    if (this.#sent !== undefined || this.#refused || (this.dueAt !== Infinity && turn.ticks < this.dueAt)) return;
    this.dueAt = Infinity;
    const { upTo: from } = (this.#told ??= await this.#read(turn.tx));
    const names = from === undefined ? await changed(turn.tx) : await all(turn.tx, from);
    if (names.length === 0 && from === undefined) return;
    const upTo = from === undefined || names.length < AT_ONCE ? undefined : names.at(-1)?.[0];
    const of = (wanted: PeerStanding): string[] => names.filter(([, is]) => is === wanted).map(([name]) => name);
    const data = { ...(from === "" ? { clear: "all" as const } : {}), allow: of("allow"), block: of("block") };
    turn.after.push(() => {
      // Not before: of a turn that is undone nothing leaves, and no answer would come.
      this.#sent = { names, upTo };
      this.#connection.post("peers", data, (frame) => {
        this.#answer = asAck(frame);
      });
    });
  }

  /** A name that is confirmed need not be said again, unless its standing has changed meanwhile. */
  async #apply(turn: Turn): Promise<void> {
    const [sent, answer] = [this.#sent, this.#answer];
    if (sent === undefined || answer === undefined) return;
    this.#sent = this.#answer = undefined;
    if ("refusal" in answer) {
      this.#refused = !isTemporary(answer.refusal);
      this.dueAt = turn.ticks + (answer.refusal.retry_after_ms ?? RETRY_MS);
      if (this.#refused) this.dueAt = Infinity;
      return;
    }
    for (const [name, standing] of sent.names)
      if ((await turn.tx.get(`peer-due/${name}`)) === standing) await turn.tx.delete(`peer-due/${name}`);
    if (this.#told?.upTo === sent.upTo) return;
    this.#told = { upTo: sent.upTo };
    const told = sent.upTo === undefined ? {} : { told: sent.upTo };
    await put(turn.tx, "meta/peers", "", { log: this.#log, ...told });
  }

  async #read(tx: ReadTransaction): Promise<{ upTo: string | undefined }> {
    const record = await get(tx, "meta/peers");
    return { upTo: record?.log === this.#log ? record.told : "" };
  }
}

async function changed(tx: ReadTransaction): Promise<[string, PeerStanding][]> {
  return named(await tx.list({ prefix: "peer-due/", limit: AT_ONCE }));
}

async function all(tx: ReadTransaction, after: string): Promise<[string, PeerStanding][]> {
  return named(await tx.list({ prefix: "peer/", after: `peer/${after}`, limit: AT_ONCE }));
}

function named(rows: [string, unknown][]): [string, PeerStanding][] {
  return rows.map(([key, standing]) => [key.slice(key.indexOf("/") + 1), standing as PeerStanding]);
}
