/** Files of an agent: those that it sends, and those that it is sent. */
import { AgentError } from "../errors.ts";
import type { Claimer } from "../files/claim.ts";
import type { FileHost } from "../files/host.ts";
import type { Link, LinkWays } from "../link/link.ts";
import { webRequest } from "../files/web-request.ts";
import type { Transport } from "../wire/connect.ts";
import { randomId } from "../protocol/index.ts";
import type { InboxRecord, OutboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import { check } from "./arguments.ts";
import type { Letter } from "./enqueue.ts";
import type { IncomingFile } from "./file-info.ts";
import { incomingFiles } from "./incoming-files.ts";
import { removeAbandoned, removeAllParts } from "./parts.ts";
import { Uploads } from "./uploads.ts";

/** How a runtime reaches a relay, and what it has for files. */
export interface Ways {
  transport?: Transport | undefined;
  files?: FileHost | undefined;
}

/** The link asks a relay by HTTP as files do, where a runtime has them. */
export function linkWays(transport: Transport, files: FileHost | undefined): LinkWays {
  return {
    transport,
    request: (url, asked) => (files === undefined ? webRequest(url, asked) : files.request(url, asked)),
  };
}

interface Means {
  store: ClientStore;
  link: Link;
  /** URL of the relay. */
  server: string;
  /** Undefined: this runtime has none. */
  host: FileHost | undefined;
}

/** A message in the outbox, and whether it was there before. */
interface Put {
  row: OutboxRecord;
  repeated: boolean;
}

export class Files {
  readonly #means: Means;
  readonly #claimer: Claimer;
  readonly #uploads: Uploads | undefined;
  readonly #stop = new AbortController();
  readonly #saving = new Set<Promise<unknown>>();
  readonly #active = new Set<string>();

  constructor({ host, ...means }: Means) {
    this.#means = { host, ...means };
    const mark = means.store.mark?.();
    this.#claimer = { by: randomId(), ...(mark === undefined ? {} : { mark }) };
    this.#uploads = host === undefined ? undefined : new Uploads({ ...means, host }, this.#claimer);
    means.link.onSwept = () => void this.#tidy().catch(() => undefined);
  }

  /** A letter whose files were looked at. @throws AgentError bad_file, disk_full, usage */
  async given(letter: Letter): Promise<Letter> {
    check("send", letter.options, "options");
    const { files = [] } = letter.options;
    if (files.length === 0) return letter;
    if (this.#uploads === undefined)
      throw new AgentError("usage", "this runtime sends no files", {
        hint: "use Node, or a browser that has files of its own",
      });
    return { ...letter, given: await this.#uploads.look(files) };
  }

  /** The files of a letter are in the store. */
  begin(row: OutboxRecord, { given, options }: Letter): void {
    if (given !== undefined) this.#uploads?.begin(row, options.onProgress);
  }

  /** Has this process bring files that wait, unless another one does. */
  bring(row: OutboxRecord, onProgress: Letter["options"]["onProgress"]): void {
    this.#uploads?.begin(row, onProgress);
  }

  /** Puts a letter into the store, by `put`, with its files: they are looked at before, and brought then. @throws AgentError as {@link given}, and what `put` throws */
  async put(asked: Letter, put: (letter: Letter) => Promise<Put>): Promise<Put> {
    const letter = await this.given(asked);
    try {
      const done = await put(letter);
      if (done.repeated) await this.letGo(letter);
      else this.begin(done.row, letter);
      return done;
    } catch (error) {
      await this.letGo(letter);
      throw error;
    }
  }

  /** A letter was not put into the store after all, or was there before. */
  async letGo({ given }: Letter): Promise<void> {
    if (given !== undefined) await this.#uploads?.letGo(given);
  }

  /** Files of a message that has come. */
  of(row: InboxRecord): IncomingFile[] {
    const track: Parameters<typeof incomingFiles>[1]["track"] = (work) => this.#track(work);
    return incomingFiles(row, { ...this.#means, claimer: this.#claimer, active: this.#active, track });
  }

  /** Lets go of what is not sent yet, and of what is not whole. */
  async stop(): Promise<void> {
    this.#stop.abort(new AgentError("aborted", "aborted while a file was under way"));
    await this.#uploads?.stop();
    await Promise.allSettled(this.#saving);
    this.#means.host?.close();
  }

  /** The agent leaves: of what it has begun to save nothing stays. */
  async leave(): Promise<void> {
    await this.stop();
    const { host, store } = this.#means;
    if (host !== undefined) await removeAllParts(store, host);
  }

  /** Removes what processes that have died have left, now and then. */
  async #tidy(): Promise<void> {
    const { host, store } = this.#means;
    if (host === undefined || this.#stop.signal.aborted) return;
    await removeAbandoned(store, host);
    await this.#uploads?.tidy();
  }

  async #track<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    const saving = work(this.#stop.signal);
    this.#saving.add(saving);
    try {
      return await saving;
    } finally {
      this.#saving.delete(saving);
    }
  }
}
