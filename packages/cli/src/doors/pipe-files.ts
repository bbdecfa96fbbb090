/** Files of messages as a program at a pipe has them: by their paths, below a root. */
import type { Agent, FileProgress, FilesRoot, SendOptions } from "@aimessage/sdk/node";
import { fileJson, saveAll } from "../saving.ts";
import { codes, type notifications, type Params, type Result } from "./pipe-schema.ts";
import { RpcError } from "./rpc.ts";
import type * as z from "zod/mini";

/** Between two words on how far a file is. Milliseconds. */
const TELL_MS = 200;

type Progress = z.input<(typeof notifications)["progress"]["params"]>;

export class PipeFiles {
  /** When a file has moved last (`performance.now()`). */
  movedAt = 0;
  readonly #agent: Agent;
  readonly #root: FilesRoot;
  readonly #tell: (progress: Progress) => void;
  /** When each that moves was told of last. */
  readonly #told = new Map<string, number>();

  constructor(agent: Agent, root: FilesRoot, tell: (progress: Progress) => void) {
    this.#agent = agent;
    this.#root = root;
    this.#tell = tell;
  }

  /** @throws AgentError bad_file */
  given(paths: readonly string[] | undefined): SendOptions {
    return paths === undefined ? {} : { files: this.#root.files(paths), onProgress: this.#onProgress };
  }

  /** @throws AgentError bad_file, unknown_message */
  async save(
    { message_id, file: only, dir, max_bytes: maxBytes }: Params<"save">,
    signal: AbortSignal,
  ): Promise<Result<"save">> {
    const { folder, root } = this.#root.folder(dir);
    const message = await this.#agent.message(message_id);
    const to = { folder, root, maxBytes, only, signal, onProgress: this.#onProgress };
    const files = await saveAll(message, to);
    if (files.length > 0) return { files: files.map(fileJson) };
    throw new RpcError(codes.failed, "the message has no such file", { code: "file_failed", reason: "no_file" });
  }

  readonly #onProgress = ({ message: message_id, ...progress }: FileProgress): void => {
    const now = performance.now();
    const key = `${message_id}/${progress.file}`;
    const isDone = progress.done === progress.bytes;
    this.movedAt = now;
    if (!isDone && now - (this.#told.get(key) ?? 0) < TELL_MS) return;
    if (isDone) this.#told.delete(key);
    else this.#told.set(key, now);
    this.#tell({ message_id, ...progress });
  };
}
