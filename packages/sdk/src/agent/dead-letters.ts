import { AgentError } from "../errors.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { check } from "./arguments.ts";
import { type Message, readMessage } from "./message.ts";
import { find as findRecord, pad, put } from "../records/records.ts";
import { REDELIVERED } from "./senders.ts";
import { idMeantBy } from "./short-ids.ts";
import type { InboxRecord } from "../records/tables.ts";

/** A message that handlers have given up. Its sender has been told; its body is kept for 30 days. */
export interface DeadLetter extends Message {
  /** What the last handler said. */
  readonly reason: string;
  /** Our clock, Unix milliseconds. */
  readonly failedAt: number;
}

/** The messages that no handler could handle. */
export class DeadLetters {
  readonly #store: ClientStore;
  readonly #username: string;

  constructor(store: ClientStore, username: string) {
    this.#store = store;
    this.#username = username;
  }

  /** All of them, oldest first. */
  list(): Promise<DeadLetter[]> {
    return this.#store.read(async (tx) => {
      const letters: DeadLetter[] = [];
      for await (const row of rows(tx)) letters.push(await this.#read(tx, row));
      return letters;
    });
  }

  count(): Promise<number> {
    return this.#store.read(async (tx) => (await tx.list({ prefix: "dead/" })).length);
  }

  /** The id of one by its beginning, as {@link Outbox.idOf}. @throws AgentError usage if it is the beginning of several */
  async idOf(typed: string): Promise<string> {
    const ids = await this.#store.read(async (tx) => {
      const found: string[] = [];
      for await (const { local_id } of rows(tx)) found.push(local_id);
      return found;
    });
    return idMeantBy(typed, ids);
  }

  /** @throws AgentError unknown_message */
  show(id: string): Promise<DeadLetter> {
    return this.#store.read(async (tx) => this.#read(tx, await find(tx, id)));
  }

  /** Gives it to handlers again, as if it had just come. For its sender it stays failed: final states do not change. */
  redeliver(id: string): Promise<void> {
    return this.#store.write(async (tx) => {
      const row = withoutHistory(await find(tx, id));
      await put(tx, "in/", pad(row.seq), { ...row, state: "unhandled" });
      await tx.put(`unhandled/${pad(row.seq)}`, "");
      // It stands before what listeners have read already.
      await tx.put(REDELIVERED, String(Number((await tx.get(REDELIVERED)) ?? "0") + 1));
      await tx.delete(`dead/${pad(row.seq)}`);
    });
  }

  /** Deletes its body, and names it no more. @throws AgentError unknown_message */
  discard(id: string): Promise<void> {
    return this.#store.write(async (tx) => {
      const { seq } = await find(tx, id);
      await tx.delete(`dead/${pad(seq)}`);
      await tx.delete(`in-body/${pad(seq)}`);
    });
  }

  async #read(tx: ReadTransaction, row: InboxRecord): Promise<DeadLetter> {
    const message = await readMessage(tx, row, this.#username);
    return { ...message, reason: row.reason ?? "", failedAt: row.settled_at ?? row.received_at };
  }
}

async function* rows(tx: ReadTransaction): AsyncGenerator<InboxRecord> {
  for (const [key] of await tx.list({ prefix: "dead/" })) {
    const row = await findRecord(tx, "in/", key.slice("dead/".length));
    if (row !== undefined) yield row;
  }
}

async function find(tx: ReadTransaction, id: string): Promise<InboxRecord> {
  check("text", { text: id }, "message id");
  for await (const row of rows(tx)) if (row.local_id === id) return row;
  throw new AgentError("unknown_message", `no message ${id} is among the dead letters`, {
    hint: "aimessage dead list shows them",
  });
}

/** As if it had just come. */
function withoutHistory(row: InboxRecord): InboxRecord {
  const { attempts: _attempts, failures: _failures, waits: _waits, replied: _replied, ...known } = row;
  const { reason: _reason, settled_at: _settled, ...rest } = known;
  return rest;
}
