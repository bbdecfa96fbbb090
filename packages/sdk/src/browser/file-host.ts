/** Files, as browsers have them: streams that pages give, and files of the page's origin, which nobody else sees. */
import { sha256 } from "@noble/hashes/sha2.js";
import { webCipher } from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import type { FileHost, FileSource, FileToSend } from "../files/host.ts";
import { isSpool, stampOf } from "../files/spool.ts";
import { webRequest } from "../files/web-request.ts";
import type { GivenFile } from "../records/file-records.ts";
import { type Place, removeFolder } from "./pieces.ts";
import { folderOf, namesOf, newPart, PartTarget, removePart, removeSaved, savedFile } from "./saved.ts";
import { dropSpool, keepStream, openSpool, tidySpools } from "./spool.ts";

/** The largest file of a page. Bytes. */
const MOST_BYTES = 2 ** 31;
/** A twentieth of what the browser gives is left to the agent's store: peers choose how much they send. At most so many bytes. */
const MOST_LEFT = 2 ** 28;

const TOP = "aimessage";
const foldersOf = (agent: string) => ({
  spools: [TOP, agent, "spool"] as Place,
  files: [TOP, agent, "files"] as Place,
});

/** Whether this browser has what a {@link browserFileHost} needs. */
export function hasFiles(): boolean {
  return "getDirectory" in navigator.storage && "createWritable" in FileSystemFileHandle.prototype;
}

/** Files of an agent of this page's origin. */
export function browserFileHost(agent: string): FileHost {
  const { spools, files } = foldersOf(agent);
  return {
    cipherOf: webCipher,
    hasher: () => {
      const hash = sha256.create();
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.clone().digest() };
    },
    look: async (given) => {
      for (const file of given) await refuseBefore(file);
      const looked: GivenFile[] = [];
      try {
        for (const file of given) looked.push(await keep(spools, file));
      } catch (error) {
        for (const { path } of looked) await dropSpool(spools, path).catch(() => undefined);
        throw error;
      }
      return looked;
    },
    letGo: async (path) => {
      if (isSpool(path)) await dropSpool(spools, path);
    },
    tidy: (kept) => tidySpools(spools, kept),
    open: async (path) => (isSpool(path) ? openSpool(spools, path) : openSaved(files, path)),
    folder: (folder, root) => namesOf(folder, root).join("/"),
    newPart,
    save: (folder, name, { part }) => PartTarget.open(files, folder, { name, part }),
    removePart: (folder, part, path) => removePart(files, { folder, part, path }),
    roomIn: room,
    folderOf,
    isThere: async (path, bytes) => (await savedFile(files, path))?.size === bytes,
    request: webRequest,
    close: () => undefined,
  };
}

/** A file that has come, for the page. `path`: as `save` said it. */
export function fileOf(agent: string, path: string): Promise<File | undefined> {
  return savedFile(foldersOf(agent).files, path);
}

/** Removes one that has come. @returns whether it was there */
export function removeFileOf(agent: string, path: string): Promise<boolean> {
  return removeSaved(foldersOf(agent).files, path);
}

/** Removes all files of an agent. */
export function removeFiles(agent: string): Promise<void> {
  return removeFolder([TOP, agent]);
}

/** What can be said before anything is written. */
async function refuseBefore(file: FileToSend): Promise<void> {
  if (typeof file === "string" || "path" in file) throw noPath(typeof file === "string" ? file : file.path);
  const { name, bytes = 0 } = file;
  refuseLarge(name, bytes);
  if (bytes <= (await room())) return;
  throw new AgentError("disk_full", `the browser has no room for ${name}, which has ${bytes} bytes`, {
    hint: "make room on the disk, or let the page keep more in the browser's settings",
  });
}

async function keep(spools: Place, file: FileToSend): Promise<GivenFile> {
  if (typeof file === "string" || "path" in file) throw noPath(typeof file === "string" ? file : file.path);
  const { stream, name, type } = file;
  const { path, bytes } = await keepStream(spools, stream, (total) => refuseLarge(name, total));
  return { name, bytes, path, stamp: stampOf(bytes), kept: true, ...(type === undefined ? {} : { type }) };
}

function refuseLarge(name: string, bytes: number): void {
  if (bytes <= MOST_BYTES) return;
  throw new AgentError("bad_file", `${name} has more than ${MOST_BYTES} bytes, and a browser sends no larger files`, {
    reason: "too_large",
    hint: "split it, or send it from the command line",
  });
}

function noPath(path: string): AgentError {
  return new AgentError("bad_file", `${path} is not there: a page has no files by path`, {
    reason: "missing",
    hint: "give a stream, as fileToSend() makes one of a File",
  });
}

/** A file that has come, to be copied. */
async function openSaved(files: Place, path: string): Promise<FileSource | undefined> {
  const file = await savedFile(files, path);
  if (file === undefined) return undefined;
  return {
    bytes: file.size,
    stamp: async () => `saved ${file.size} ${file.lastModified}`,
    read: async (at, into) => {
      const part = new Uint8Array(await file.slice(at, at + into.length).arrayBuffer());
      into.set(part);
      return part.length;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Bytes for which the browser has room; none has more of one file. */
async function room(): Promise<number> {
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  return Math.max(0, Math.min(MOST_BYTES, quota - usage - Math.min(MOST_LEFT, quota / 20)));
}
