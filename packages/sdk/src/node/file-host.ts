/** Files, as Node has them. */
import { createHash } from "node:crypto";
import { type BigIntStats, constants, mkdirSync, realpathSync, rmSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AgentError } from "../errors.ts";
import type { FileHost, FileSource, FileToSend, Hasher } from "../files/host.ts";
import type { GivenFile } from "../records/file-records.ts";
import { folderWithin, inspect, isRightThere } from "./bounds.ts";
import { FileRequests } from "./file-requests.ts";
import { isGone } from "./gone.ts";
import { safeName } from "../files/names.ts";
import { isSpool, stampOf } from "../files/spool.ts";
import { PartFile, roomIn } from "./part-file.ts";
import { isPart, newPart } from "./part-folder.ts";
import { asOwnerOf } from "./program/owner.ts";
import { nodeCipher } from "./segment-cipher.ts";
import { dropSpool, keepStream, openSpool, tidySpools } from "./spool.ts";

/** What a name in an offer may take. Bytes. */
const MOST_NAME = 255;

interface Folders {
  /** Of the agent: what streams give is kept there. */
  agent: string;
  /** Of all agents: nothing of it is sent. */
  home: string;
}

/** Files of this machine, for an agent in a folder. */
export function nodeFileHost({ agent, home }: Folders): FileHost {
  const requests = new FileRequests();
  const spools = join(agent, "spool");
  const look = async (file: FileToSend): Promise<GivenFile> => {
    if (typeof file === "string") return lookAt({ path: file }, home);
    if ("path" in file) return lookAt(file, home);
    const { path, bytes } = await asOwnerOf(agent, () => keepStream(spools, file.stream));
    return { name: nameOf(file.name), bytes, path, stamp: stampOf(bytes), kept: true, ...typeOf(file) };
  };
  return {
    cipherOf: nodeCipher,
    hasher,
    look: async (files) => {
      const given: GivenFile[] = [];
      try {
        for (const file of files) given.push(await look(file));
      } catch (error) {
        for (const { path } of given) if (isSpool(path)) await dropSpool(spools, path);
        throw error;
      }
      return given;
    },
    letGo: async (path) => {
      if (isSpool(path)) await dropSpool(spools, path);
    },
    open: (path) => (isSpool(path) ? openSpool(spools, path) : openFile(path)),
    folder: (folder, root) => {
      if (root !== undefined) return folderWithin(folder, root, home);
      asOwnerOf(folder, () => mkdirSync(folder, { recursive: true }));
      return realpathSync.native(folder);
    },
    newPart: (name) => newPart(safeName(name)),
    save: async (folder, name, { part, root }) => {
      const target = await PartFile.open(folder, name, { part, orNew: part });
      if (root === undefined || target.finished !== undefined) return target;
      try {
        // Nothing is written where somebody has put a link in the meantime.
        if (isRightThere(join(folder, target.part))) return target;
      } catch (error) {
        await target.close();
        throw error;
      }
      await target.discard();
      throw bad(folder, "has become another folder", "outside");
    },
    removePart: async (folder, part) => {
      if (isPart(part)) asOwnerOf(folder, () => rmSync(join(folder, part), { force: true }));
    },
    hasRoom: async (folder, bytes) => (await roomIn(folder)) >= bytes,
    folderOf: (path) => realpathSync.native(dirname(path)),
    isThere: async (path, bytes) => {
      const found = await stat(path).catch(goneOnly);
      return found?.isFile() === true && found.size === bytes;
    },
    request: (url, request) => requests.ask(url, request),
    tidy: (kept) => tidySpools(spools, kept),
    close: () => requests.close(),
  };
}

function hasher(): Hasher {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => new Uint8Array(hash.copy().digest()),
  };
}

function lookAt(
  { path, name, type, root }: Exclude<FileToSend, string | { stream: unknown }>,
  home: string,
): GivenFile {
  const { found, real } = inspect(path, { agents: home, root });
  return {
    name: nameOf(name ?? basename(path)),
    path: root === undefined ? resolve(path) : real,
    bytes: Number(found.size),
    stamp: stamp(found),
    ...typeOf({ type }),
    ...(root === undefined ? {} : { root }),
  };
}

function typeOf({ type }: { type?: string | undefined }): { type?: string } {
  return type === undefined ? {} : { type };
}

/** As much of a name as an offer holds, whole characters: its recipient makes one of it that its system takes. */
function nameOf(name: string): string {
  let cut = name.toWellFormed();
  while (Buffer.byteLength(cut) > MOST_NAME) cut = Array.from(cut).slice(1).join("");
  return cut;
}

async function openFile(path: string): Promise<FileSource | undefined> {
  // Not to wait for whoever writes into a pipe that has taken its place.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(goneOnly);
  if (handle === undefined) return undefined;
  try {
    const found = await handle.stat({ bigint: true });
    if (found.isFile()) return new OpenFile(path, handle, Number(found.size));
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

function goneOnly(error: unknown): undefined {
  if (!isGone(error)) throw error;
}

class OpenFile implements FileSource {
  readonly bytes: number;
  readonly #path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle, bytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.bytes = bytes;
  }

  /** Of what is open, and only while the path leads to that. */
  async stamp(): Promise<string> {
    const [opened, there] = await Promise.all([
      this.#handle.stat({ bigint: true }),
      stat(this.#path, { bigint: true }).catch(goneOnly),
    ]);
    return there === undefined || stamp(there) !== stamp(opened) ? "another" : stamp(opened);
  }

  async read(at: number, into: Uint8Array): Promise<number> {
    return (await this.#handle.read(into, 0, into.length, at)).bytesRead;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

function stamp({ size, mtimeNs, ino, dev }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ino} ${dev}`;
}

function bad(path: string, what: string, reason: string, cause?: unknown): AgentError {
  return new AgentError("bad_file", `${path} ${what}, and cannot be sent`, {
    reason,
    hint: "name a file that this user can read, and that is not an agent's own",
    cause,
  });
}
