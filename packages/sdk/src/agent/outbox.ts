import { AgentError } from "../errors.ts";
import type { ClientStore, ReadTransaction } from "../store/store.ts";
import { check } from "./arguments.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { fileKey, filesOf, waitingForFiles } from "../records/files.ts";
import type { Letter, SendOptions } from "./enqueue.ts";
import type { FileProgress, FileToSend } from "../files/host.ts";
import type { Link } from "../link/link.ts";
import { readAddress } from "../records/addresses.ts";
import { giveUp, isFinal, rowById } from "../records/outbox-records.ts";
import { find as findRow, get, list, pad, toBytes } from "../records/records.ts";
import { type MessageStatus, Sent, statusOf } from "./sent.ts";
import { ENOUGH, idMeantBy } from "./short-ids.ts";
import type { OutboxRecord } from "../records/tables.ts";
import { Changes, type Wait, waitFor } from "./waiting.ts";

/** The longest time without a look, and the shortest between two: many states change together. Milliseconds. */
const LOOK_MS = 5_000;
const PAUSE_MS = 20;

/** What an outbox has its agent do. */
interface Means {
  /** Sends what is to be sent anew. */
  send: (letter: Letter) => Promise<Sent>;
  /** Has this process bring the files of a message, unless another one does. */
  bring: (row: OutboxRecord, onProgress: RetryOptions["onProgress"]) => void;
}

export interface RetryOptions {
  /** Told how far its files are, as far as this process sends them. */
  onProgress?: ((progress: FileProgress) => void) | undefined;
}

/** What this agent has sent, and what became of it. */
export class Outbox {
  readonly #store: ClientStore;
  readonly #link: Link;
  readonly #means: Means;

  constructor(store: ClientStore, link: Link, means: Means) {
    this.#store = store;
    this.#link = link;
    this.#means = means;
  }

  /** Oldest first: what has not ended yet, or with `all` everything that is not forgotten. */
  async list(options: { all?: boolean } = {}): Promise<MessageStatus[]> {
    check("look", options, "options");
    const { all = false } = options;
    return this.#store.read(async (tx) => {
      const rows = (await list(tx, "out/")).filter(({ kind }) => kind === "message");
      const found: MessageStatus[] = [];
      for (const row of rows) if (all || !isFinal(row.state)) found.push(await statusOf(tx, row));
      return found;
    });
  }

  /** How many messages have not left, those that wait for their files among them. */
  async waiting(): Promise<number> {
    return this.#store.read(async (tx) => {
      const found = new Set<number>();
      for (const [key] of await tx.list({ prefix: "queue/" })) {
        const row = await findRow(tx, "out/", key.slice(key.lastIndexOf("/") + 1));
        if (row?.kind === "message") found.add(row.seq);
      }
      return found.union(await waitingForFiles(tx)).size;
    });
  }

  /**
   * The id of a message that was sent from here, by its first six characters or more; what is the beginning of none comes
   * back as it is. @throws AgentError usage if it is the beginning of several
   */
  async idOf(typed: string): Promise<string> {
    // Of fewer characters every message could be meant.
    if (typed.length < ENOUGH) return typed;
    return this.#store.read(async (tx) => {
      const ids: string[] = [];
      for (const [, seq] of await tx.list({ prefix: `out-id/${typed}` })) {
        const row = await findRow(tx, "out/", pad(Number(seq)));
        if (row?.kind === "message") ids.push(row.id);
      }
      return idMeantBy(typed, ids);
    });
  }

  /**
   * Tries again: what waits goes at once instead of when its back-off ends; what was refused or has expired is sent
   * as a new message, whose id differs, with its files as they are now. Its text is kept for seven days.
   * @throws AgentError unknown_message, and what {@link Agent.send} throws
   */
  async retry(id: string, { onProgress }: RetryOptions = {}): Promise<Sent> {
    const { row, body, files } = await this.#store.read(async (tx) => {
      const row = await find(tx, id);
      return { row, body: await tx.get(`out-body/${pad(row.seq)}`), files: await filesOf(tx, row.seq) };
    });
    if (!isFinal(row.state)) {
      await this.#store.write(async (tx) => {
        await tx.put(`retry/${row.to}`, "");
        for (const file of files)
          if (file.state === "waits" && file.token === undefined) await tx.put(`blob/ask/${fileKey(file)}`, "");
      });
      this.#link.start();
      if (files.length > 0) this.#means.bring(row, onProgress);
      return new Sent(this.#store, this.#link, row);
    }
    if (row.state === "handled")
      throw new AgentError("unknown_message", `message ${id} was handled`, { hint: "send another one" });
    if (body === undefined)
      throw new AgentError("unknown_message", `the text of message ${id} is not kept any more`, {
        hint: "send it again; its recipient may have it among its dead letters",
      });
    const to = row.fingerprint === undefined ? row.to : `${row.to}#${row.fingerprint}`;
    const address = readAddress(row.to);
    const options: SendOptions = {
      ...(files.length === 0 ? {} : { files: files.map(toFile), ...(onProgress === undefined ? {} : { onProgress }) }),
      contentType: row.content_type,
      ...(row.reply_to === undefined ? {} : { replyTo: row.reply_to }),
      ...(row.thread === undefined ? {} : { thread: row.thread }),
      ...(row.headers === undefined ? {} : { headers: row.headers }),
    };
    const team = address.kind === "pair" ? {} : { team: address.key };
    return await this.#means.send({ to, ...team, body: toBytes(body), options }).catch(withoutFile);
  }

  /** Gives a message up that has not ended yet, or forgets the text of one that has. @throws AgentError unknown_message */
  async discard(id: string): Promise<MessageStatus> {
    const status = await this.#store.write(async (tx) => {
      const row = await find(tx, id);
      await tx.delete(`out-body/${pad(row.seq)}`);
      return statusOf(tx, isFinal(row.state) ? row : await giveUp(tx, row, "discarded"));
    });
    this.#link.start();
    return status;
  }

  /**
   * Waits until the relay has everything that waits here to be sent, or has refused it.
   * @returns how many messages still wait when the time is up, or when there is no more to be hoped for
   * @throws AgentError usage
   */
  async drained(wait: Wait = {}): Promise<number> {
    check("wait", wait, "wait");
    const waiting = async () => (await this.list()).filter(({ state }) => state === "queued").length;
    if ((await waiting()) === 0) return 0;
    this.#link.start();
    const none = async () => ((await waiting()) === 0 ? 0 : undefined);
    return waitFor(this.#store, this.#link, "the outbox", none, wait).catch(waiting);
  }

  /**
   * Every change of a message's state from now on, whichever process made it. With `id`: of this message alone, its
   * present state first, until it has ended. Changes that follow each other at once may be given as the last of them.
   */
  async *changes(options: { id?: string; signal?: AbortSignal } = {}): AsyncGenerator<MessageStatus, void, undefined> {
    check("follow", options, "options");
    const { id, signal } = options;
    this.#link.start();
    const changes = new Changes(this.#store, this.#link, signal);
    try {
      const watch = new Watch(id);
      await this.#store.read((tx) => watch.begin(tx));
      while (signal?.aborted !== true) {
        yield* await this.#store.read((tx) => watch.look(tx));
        if (watch.isOver) return;
        if (this.#link.state.state === "stopped") throw this.#link.state.error;
        // Before, not behind: the first change after a while is told at once.
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        await changes.next(LOOK_MS);
      }
    } catch (error) {
      // Closing the agent under its watchers ends them.
      if (!(error instanceof AgentError && error.code === "closed")) throw error;
    } finally {
      changes.end();
    }
  }
}

/** A file that was there when the message was sent first. */
function withoutFile(error: unknown): never {
  if (!(error instanceof AgentError) || error.code !== "bad_file" || error.reason !== "missing") throw error;
  const hint = "put it back, or send the message again with -f FILE";
  throw new AgentError(error.code, error.message, { reason: error.reason, hint, cause: error });
}

/** A file as it was given, from where it was. @throws AgentError bad_file */
function toFile({ path, name, type, root, kept }: OutFileRecord): FileToSend {
  if (kept === true)
    throw new AgentError("bad_file", `${name} was given as a stream, and is not kept any more`, {
      reason: "missing",
      hint: "send it again from where it came",
    });
  return { path, name, ...(root === undefined ? {} : { root }), ...(type === undefined ? {} : { type }) };
}

/** Which rows may still change, and as what they were seen last. */
class Watch {
  /** Of one message alone. */
  readonly #id: string | undefined;
  readonly #seen = new Map<number, string>();
  #after = "";

  constructor(id: string | undefined) {
    this.#id = id;
  }

  get isOver(): boolean {
    return this.#id !== undefined && this.#seen.size === 0;
  }

  async begin(tx: ReadTransaction): Promise<void> {
    if (this.#id !== undefined) return void this.#seen.set((await find(tx, this.#id)).seq, "");
    this.#after = pad(Number((await tx.get("meta/next-out")) ?? "1") - 1);
    for (const row of await list(tx, "out/"))
      if (row.kind === "message" && !isFinal(row.state)) this.#seen.set(row.seq, row.state);
  }

  async look(tx: ReadTransaction): Promise<MessageStatus[]> {
    const found: MessageStatus[] = [];
    if (this.#id === undefined)
      for (const row of await list(tx, "out/", { after: this.#after })) {
        this.#after = pad(row.seq);
        if (row.kind === "message") this.#seen.set(row.seq, "");
      }
    for (const [seq, before] of this.#seen) {
      const row = await get(tx, "out/", pad(seq));
      if (row !== undefined && row.state !== before) found.push(await statusOf(tx, row));
      // A state that only the relay or the owner has given may still be outweighed, but this is where waiting ends.
      if (row === undefined || isFinal(row.state)) this.#seen.delete(seq);
      else this.#seen.set(seq, row.state);
    }
    return found;
  }
}

async function find(tx: ReadTransaction, id: string): Promise<OutboxRecord> {
  check("text", { text: id }, "message id");
  const row = await rowById(tx, id);
  if (row?.kind === "message") return row;
  throw new AgentError("unknown_message", `no message ${id} was sent from here`, {
    hint: "check the id; messages that are done are forgotten after a while",
  });
}
