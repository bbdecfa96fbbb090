/** The record of a file that this process sends: it is changed while it is this process's, and its message has not ended. */
import { AgentError } from "../errors.ts";
import type { OutFileRecord } from "../records/file-records.ts";
import { endFile, endFiles, fileKey, sendAnew, sendFile, wasInVain } from "../records/files.ts";
import { hasLeft, isFinal } from "../records/outbox-records.ts";
import { find, pad, put } from "../records/records.ts";
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { type Claimer, claimOf, isTaken, whileOurs } from "./claim.ts";
import type { FileHost } from "./host.ts";

const SEGMENT_BYTES = 2 ** 20;

/** It is not this process's any more, or is to be begun anew: what the record says is what is to be done. */
export class Over extends Error {}

interface Means {
  store: ClientStore;
  host: FileHost;
  claimer: Claimer;
}

/**
 * Takes a file that there is room for, and that nobody else brings. Of one that waits no more what a stream gave is let go of.
 * @returns undefined if there is nothing to bring
 */
export async function takeFile(means: Means, key: string): Promise<OutFile | undefined> {
  const { store, host, claimer } = means;
  const { taken, ended, isOver } = await store.write(async (tx) => {
    const file = await find(tx, "out-file/", key);
    if (file?.state !== "waits") return { isOver: true, ended: file };
    if (!(await isWanted(tx, file))) {
      await endFile(tx, file, { state: "failed" });
      return { isOver: true, ended: file };
    }
    if (file.token === undefined || isTaken(store, file.claim, claimer)) return {};
    const claimed = { ...file, claim: claimOf(claimer) };
    await put(tx, "out-file/", key, claimed);
    return { taken: claimed };
  });
  if (taken !== undefined) return new OutFile(means, taken);
  if (isOver !== true) return undefined;
  if (ended?.kept === true && ended.path !== "") await host.letGo(ended.path);
  await store.write(async (tx) => {
    const file = await find(tx, "out-file/", key);
    if (file?.state === "waits") return;
    await tx.delete(`blob/up/${key}`);
    if (file?.kept === true) await put(tx, "out-file/", key, { ...file, path: "" });
  });
  return undefined;
}

export class OutFile {
  readonly #means: Means;
  readonly key: string;
  /** As this process has read or written it last. */
  record: OutFileRecord;
  /** What the next write notes beside what it is for. */
  #gained: Pick<OutFileRecord, "reached"> = {};

  constructor(means: Means, record: OutFileRecord) {
    this.#means = means;
    this.key = fileKey(record);
    this.record = record;
  }

  /**
   * The relay says that it has so much. Only what no blob of this file has come to counts, by a segment at least: a relay that loses all of it after each
   * byte has been brought nothing.
   * @returns whether that counts
   */
  gains(offset: number): boolean {
    if (offset < (this.#gained.reached ?? this.record.reached ?? 0) + SEGMENT_BYTES) return false;
    this.#gained = { reached: offset };
    return true;
  }

  /** Writes what has been gained, if anything has. What hinders that is less than what ended the upload. */
  async note(): Promise<void> {
    if (this.#gained.reached !== undefined) await this.change({}).catch(() => undefined);
  }

  /** @throws Over if it is not this process's any more */
  async change(more: Partial<OutFileRecord>): Promise<void> {
    this.record = await this.ours(async (tx, file) => {
      const changed = { ...file, ...more, claim: claimOf(this.#means.claimer) };
      await put(tx, "out-file/", this.key, changed);
      return changed;
    });
  }

  /** Changes more than the record. @throws Over if it is not this process's any more */
  async ours<T>(change: (tx: WriteTransaction, file: OutFileRecord) => Promise<T>): Promise<T> {
    const { store, claimer } = this.#means;
    const done = await store.write((tx) =>
      whileOurs(tx, { table: "out-file/", key: this.key, by: claimer.by }, async (stored) => {
        const file = { ...stored, ...this.#gained };
        const isSame = file.state === "waits" && file.request_id === this.record.request_id;
        return isSame && (await isWanted(tx, file)) ? { value: await change(tx, file) } : undefined;
      }),
    );
    if (done === undefined) throw new Over();
    return done.value;
  }

  /** Begins anew under another key: under this one something else may have left. */
  async anew(): Promise<never> {
    await this.ours(async (tx, file) => wasInVain(tx, await sendAnew(tx, file)));
    throw new Over();
  }

  /** Another file is in its place: it is sent as that is, once. @throws Over; what the system says of one that may be read another time */
  async changed(): Promise<never> {
    const { host } = this.#means;
    const { path, root } = this.record;
    const [given] = await host.look([{ path, ...(root === undefined ? {} : { root }) }]).catch((error: unknown) => {
      if (!(error instanceof AgentError)) throw error;
      return [error];
    });
    if (given instanceof AgentError) return this.fail(given.reason === "missing" ? "file_gone" : "file_changed");
    await this.ours(async (tx, file) => {
      const isAnother = file.said !== undefined && given?.bytes !== file.bytes;
      if (given === undefined || file.changed === true || isAnother) return failMessage(tx, file, "file_changed");
      const { bytes, stamp } = given;
      return sendAnew(tx, file, { bytes, stamp, changed: true, reached: 0 });
    });
    throw new Over();
  }

  /** It can never be sent. */
  async fail(reason: "file_gone" | "file_changed" | "file_damaged"): Promise<never> {
    await this.ours((tx, file) => failMessage(tx, file, reason));
    throw new Over();
  }

  /** The relay does not know the token any more: another process has it, or the blob has ended. It says which when it is asked. */
  async askAgain(): Promise<never> {
    await this.ours(async (tx, file) => {
      const { token: _token, ...rest } = file;
      await sendFile(tx, rest);
      await wasInVain(tx, rest);
    });
    throw new Over();
  }
}

/** Whether a message is there that waits for a file. */
async function isWanted(tx: WriteTransaction, { seq, resent }: OutFileRecord): Promise<boolean> {
  const row = await find(tx, "out/", pad(seq));
  return row !== undefined && (resent === true || !isFinal(row.state));
}

/** A file cannot be sent: its message does not leave without it. */
async function failMessage(tx: WriteTransaction, file: OutFileRecord, reason: string): Promise<void> {
  await endFile(tx, file, { state: "failed", reason });
  const row = await find(tx, "out/", pad(file.seq));
  if (row?.state !== "queued" || hasLeft(row)) return;
  await endFiles(tx, row, { all: true });
  await put(tx, "out/", pad(row.seq), { ...row, state: "failed", reason, updated_at: Date.now() });
}
