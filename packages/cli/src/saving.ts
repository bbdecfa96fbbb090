/** Files of messages that have come: saved, or why not. */
import { mkdirSync } from "node:fs";
import { relative } from "node:path";
import type { Agent, FileInfo, FileProgress, IncomingMessage } from "@aimessage/sdk/node";
import { asOwnerOf } from "@aimessage/sdk/program";
import type { Call } from "./call.ts";
import { type Explained, explain, isAgentError, UsageError } from "./errors.ts";
import type { Context } from "./context.ts";
import { filesRoot } from "./file-flags.ts";
import { isByProgram } from "./sender.ts";
import { shortId } from "./ids.ts";
import { asUsageError, asWriteError, wholePath } from "./files.ts";
import type { FilesShown } from "./file-progress.ts";
import { shellLine } from "./install/program-words.ts";
import { fileSize } from "./units.ts";

/** Attempts at a file that a relay does not hand out which is there. */
const ATTEMPTS = 3;
/** Between attempts, and how long a relay is waited for at a time. Milliseconds. */
const RETRY_MS = 1_000;
const REACH_MS = 30_000;

/** A file of a message as programs see it. */
export interface FileJson {
  /** As it would be saved: safe on every system. */
  name: string;
  bytes: number;
  /** Media type, by its sender's word. */
  type?: string;
  sha256: string;
  /** Where it is, whole. */
  path?: string;
  /** Why it is not there: a stable word; and the code of the error, which may be the same word. */
  error?: string;
  code?: string;
}

/** A file that was to be saved: it has a path, or an error. */
export interface SavedFile extends FileInfo {
  readonly path?: string | undefined;
  readonly error?: Explained | undefined;
}

export interface SaveTo {
  /** The whole path of a folder, which is made if it is not there. */
  folder: string;
  /** Bytes of the largest file that is taken; undefined: as the SDK has it. */
  maxBytes?: number | undefined;
  /** Below which it must lie, by no link; undefined: anywhere. */
  root?: string | undefined;
  signal: AbortSignal;
  /** Where the relay cannot be reached, this is waited for before the next attempt: whether it can be, then. */
  isReachable?: () => Promise<boolean>;
  /** Only files of this name. */
  only?: string | undefined;
  onProgress?: (progress: FileProgress) => void;
}

export function fileJson({ name, bytes, type, sha256, path, error }: SavedFile): FileJson {
  return {
    name,
    bytes,
    ...(type === undefined ? {} : { type }),
    sha256,
    ...(path === undefined ? {} : { path }),
    ...(error === undefined ? {} : { error: wordOf(error), code: error.code }),
  };
}

/** Why a file could not be had, as a stable word. */
export function wordOf({ code, reason }: Explained): string {
  return reason ?? code;
}

/** It was saved before, and is not there any more: nothing brings it back, and whoever has taken it has it. */
const FILE_GONE = "file_gone";

export function isGone(error: Explained): boolean {
  return wordOf(error) === FILE_GONE;
}

/** `in/report.pdf 1.2 MiB`, or with a word on why it is not there. `at`: where it is, as that is shown. */
export function fileLabel({ name, bytes, error }: SavedFile, at = name): string {
  return `${at} ${fileSize(bytes)}${error === undefined ? "" : `, not saved: ${wordOf(error).replaceAll("_", " ")}`}`;
}

/** Saves the files of a message, one after the other. What becomes of one is no matter to the others. @throws AgentError aborted */
export async function saveAll(message: IncomingMessage, to: SaveTo): Promise<SavedFile[]> {
  const saved: SavedFile[] = [];
  for (const file of message.files) {
    if (to.only !== undefined && to.only !== file.name) continue;
    const { name, bytes, type, sha256 } = file;
    saved.push({ name, bytes, type, sha256, ...(await saveOne(file, to)) });
  }
  return saved;
}

async function saveOne(
  file: IncomingMessage["files"][number],
  { folder, isReachable, maxBytes, root, signal, onProgress }: SaveTo,
): Promise<Pick<SavedFile, "path" | "error">> {
  const options = {
    signal,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(root === undefined ? {} : { root }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  for (let left = ATTEMPTS; ;) {
    try {
      return { path: await file.save(folder, options) };
    } catch (cause) {
      const error = await explain(await asWriteError(cause, folder));
      // Nobody waits for it, or nothing of the message may be saved there.
      if (error.code === "aborted" || error.code === "bad_file") throw cause;
      if (error.code !== "relay_unreachable" || isReachable === undefined) return { error };
      if (await isReachable()) left -= 1;
      if (left === 0) return { error };
    }
    await pause(RETRY_MS, signal);
  }
}

/** A path from the working folder on, where that is shorter. */
function shortPath(context: Context, path: string): string {
  let short: string;
  try {
    short = relative(context.cwd, path);
  } catch {
    // The working folder was deleted.
    return path;
  }
  return short.length < path.length ? short : path;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}

/** A folder to save in, as it was typed: of a program, below its root. @throws UsageError, AgentError bad_file */
export async function folderOf(
  context: Context,
  typed: string,
  flag?: string,
): Promise<{ folder: string; root?: string }> {
  const folder = wholePath(context, typed);
  return isByProgram(context) ? (await filesRoot(context, flag)).folder(folder) : { folder };
}

/** What `inbox save` may be told. */
interface SaveOnly {
  dir?: string | undefined;
  file?: string | undefined;
  maxFile?: number | undefined;
}

/** `aimessage inbox save 1f0c9a --dir in`, as it is to be typed. */
export function saveCommand(id: string, { dir, file, maxFile }: SaveOnly): string {
  const flags = Object.entries({ "--dir": dir, "--file": file, "--max-file": maxFile }).flatMap(([flag, value]) =>
    value === undefined ? [] : [`${flag} ${shellLine([String(value)])}`],
  );
  return ["aimessage inbox save", shortId(id), ...flags].join(" ");
}

/** Whether the relay answers. @throws AgentError what has ended the link: nothing comes of waiting then */
export async function answers(
  agent: Pick<Agent, "sync" | "users" | "linkHolder">,
  signal: AbortSignal,
): Promise<boolean> {
  const wait = { timeout: REACH_MS, signal };
  try {
    await agent.sync(wait);
    // Where another process has the link, nobody has been asked by now. To refuse is to answer.
    if ((await agent.linkHolder())?.pid !== process.pid)
      await agent.users(wait).catch((error: unknown) => {
        if (!isAgentError(error) || error.code !== "refused") throw error;
      });
    return true;
  } catch (error) {
    // Who is not let in waits until it is.
    if (isAgentError(error) && (error.code === "refused" || error.shouldRetry())) return false;
    throw error;
  }
}

/** What a listener was told of files. */
export interface SaveFlags {
  saveDir?: string;
  maxFile?: number;
  filesRoot?: string;
}

/** Saves what comes with messages, where that was asked for. */
export class Saver {
  /** As it was typed; undefined: nothing is saved. */
  readonly folder: string | undefined;
  /** Its whole path, or nothing. */
  get path(): string {
    return this.#to.folder;
  }
  readonly #call: Call;
  readonly #to: Omit<SaveTo, "signal">;
  readonly #shown: FilesShown;

  private constructor(call: Call, folder: string | undefined, to: Omit<SaveTo, "signal">, shown: FilesShown) {
    this.#call = call;
    this.folder = folder;
    this.#to = to;
    this.#shown = shown;
  }

  /** @throws UsageError if files cannot be saved there; AgentError bad_file */
  static async of(call: Call, { saveDir, maxFile, filesRoot }: SaveFlags, shown: FilesShown): Promise<Saver> {
    if (saveDir === "") throw new UsageError("--save-dir is empty", "name a folder, or leave it out");
    const { context } = call;
    const { onProgress } = shown;
    if (saveDir === undefined) return new Saver(call, undefined, { folder: "" }, shown);
    const place = await folderOf(context, saveDir, filesRoot);
    const { folder, root } = place;
    try {
      if (root === undefined) asOwnerOf(folder, () => mkdirSync(folder, { recursive: true }));
    } catch (error) {
      throw asUsageError(error, "write", saveDir);
    }
    return new Saver(call, saveDir, { ...place, maxBytes: maxFile, onProgress }, shown);
  }

  /** @returns what became of its files, if they are to be saved @throws AgentError aborted */
  async save(agent: Agent, message: IncomingMessage, signal: AbortSignal): Promise<readonly SavedFile[]> {
    if (this.folder === undefined) return message.files;
    const isReachable = () => answers(agent, signal);
    try {
      return await saveAll(message, { ...this.#to, signal, isReachable });
    } catch (error) {
      if (signal.aborted)
        this.#call.out.note(
          `What was fetched of its files stays, and the next listen goes on; or: ${this.commandFor(message)}`,
        );
      throw error;
    } finally {
      for (const index of message.files.keys()) this.#shown.end(message.id, index, "saved");
    }
  }

  /** A file in the line of its message. Where it is, which is not in the folder if it was saved elsewhere before. */
  label(file: SavedFile): string {
    if (this.folder === undefined) return `${fileLabel(file)}, not saved`;
    return fileLabel(file, file.path === undefined ? undefined : shortPath(this.#call.context, file.path));
  }

  /** The command that saves the files of a message as it was meant here; of one that was too large, with room for it. */
  commandFor({ id }: { id: string }, file?: SavedFile): string {
    const isLarger = file?.error !== undefined && wordOf(file.error) === "too_large";
    const most = isLarger ? file.bytes : this.#to.maxBytes;
    return saveCommand(id, { dir: this.folder, maxFile: most });
  }
}
