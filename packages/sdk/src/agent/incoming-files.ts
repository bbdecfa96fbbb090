/** Files of messages that have come: fetched when somebody wants them. */
import { AgentError } from "../errors.ts";
import type { Claimer } from "../files/claim.ts";
import type { FileHost } from "../files/host.ts";
import { randomId } from "../protocol/index.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { ClientStore } from "../store/store.ts";
import { check } from "./arguments.ts";
import { filesIn, type IncomingFile } from "./file-info.ts";
import { streamFile } from "./file-stream.ts";
import { Saving } from "./saving.ts";

interface Means {
  store: ClientStore;
  host: FileHost | undefined;
  server: string;
  claimer: Claimer;
  /** Words by which this process works on files now. */
  active: Set<string>;
  /** Keeps whoever closes the agent waiting until it is done. */
  track: <T>(work: (stop: AbortSignal) => Promise<T>) => Promise<T>;
}

/** The files of a message, with what may be done with them. */
export function incomingFiles(row: InboxRecord, means: Means): IncomingFile[] {
  const id = row.local_id;
  const withHost = (): Means & { host: FileHost } => {
    const { host } = means;
    if (host === undefined) throw new AgentError("usage", "this runtime has no files", { hint: "give a file host" });
    return { ...means, host, claimer: { ...means.claimer, by: randomId() } };
  };
  return filesIn(row).map((info, index) =>
    Object.assign(info, {
      save: async (folder: string, options = {}) => {
        check("text", { text: folder }, "folder");
        check("save", options, "options");
        const all = withHost();
        return means.track((stop) =>
          new Saving(all, { id, index, folder }, { ...options, signal: either(options.signal, stop) }).run(),
        );
      },
      stream: (options = {}) => {
        check("stream", options, "options");
        return streamFile(withHost(), { id, index }, options);
      },
    } satisfies Pick<IncomingFile, "save" | "stream">),
  );
}

function either(signal: AbortSignal | undefined, stop: AbortSignal): AbortSignal {
  return signal === undefined ? stop : AbortSignal.any([signal, stop]);
}
