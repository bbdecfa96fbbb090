/** Files of an agent: those that it sends, and those that it is sent. */
import { AgentError } from "../errors.ts";
import type { Claimer } from "../files/claim.ts";
import type { FileHost } from "../files/host.ts";
import type { Link } from "../link/link.ts";
import { randomId } from "../protocol/index.ts";
import type { InboxRecord, OutboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import { check } from "./arguments.ts";
import type { Letter } from "./enqueue.ts";
import type { IncomingFile } from "./file-info.ts";
import { incomingFiles } from "./incoming-files.ts";
import { Uploads } from "./uploads.ts";

interface Means {
  store: ClientStore;
  link: Link;
  /** URL of the relay. */
  server: string;
  /** Undefined: this runtime has none. */
  host: FileHost | undefined;
}

export class Files {
  readonly #means: Means;
  readonly #claimer: Claimer;
  readonly #uploads: Uploads | undefined;

  constructor({ host, ...means }: Means) {
    this.#means = { host, ...means };
    const mark = means.store.mark?.();
    this.#claimer = { by: randomId(), ...(mark === undefined ? {} : { mark }) };
    this.#uploads = host === undefined ? undefined : new Uploads({ ...means, host }, this.#claimer);
  }

  /** A letter whose files were looked at. @throws AgentError bad_file, disk_full, usage */
  async given(letter: Letter): Promise<Letter> {
    check("send", letter.options, "options");
    const { files = [] } = letter.options;
    if (files.length === 0) return letter;
    if (this.#uploads === undefined) throw new AgentError("usage", "this runtime sends no files", { hint: "use Node" });
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

  /** Files of a message that has come. */
  of(row: InboxRecord): IncomingFile[] {
    return incomingFiles(row, { ...this.#means, claimer: this.#claimer });
  }

  /** Lets go of what is not sent yet. */
  async stop(): Promise<void> {
    await this.#uploads?.stop();
  }
}
