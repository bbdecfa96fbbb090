/** Files, as browsers have them: streams that pages give, and files of the page's origin, which nobody else sees. */
import { sha256 } from "@noble/hashes/sha2.js";
import { webCipher } from "../crypto/streaming.ts";
import { AgentError } from "../errors.ts";
import type { FileHost, FileSource, FileToSend } from "../files/host.ts";
import { isSpool, stampOf } from "../files/spool.ts";
import { webRequest } from "../files/web-request.ts";
import type { GivenFile } from "../records/file-records.ts";
import { type Place, removeFolder } from "./pieces.ts";
import { hasRoom, MOST_BYTES } from "./room.ts";
import { folderOf, namesOf, newPart, PartTarget, removePart, removeSaved, savedFile } from "./saved.ts";
import { dropSpool, keepStream, openSpool, tidySpools } from "./spool.ts";

const TOP = "aimessage";
const foldersOf = (agent: string) => ({
  top: [TOP, agent] as Place,
  spools: [TOP, agent, "spool"] as Place,
  files: [TOP, agent, "files"] as Place,
});

/** Whether this browser has what a {@link browserFileHost} needs. */
export function hasFiles(): boolean {
  return "getDirectory" in navigator.storage && "createWritable" in FileSystemFileHandle.prototype;
}

/** Files of an agent of this page's origin. */
export function browserFileHost(agent: string): FileHost {
  const { top, spools, files } = foldersOf(agent);
  return {
    cipherOf: webCipher,
    hasher: () => {
      const hash = sha256.create();
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.clone().digest() };
    },
    look: async (given) => {
      await refuseBefore(top, given);
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
    hasRoom: (_folder, bytes) => hasRoom(top, bytes),
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
  return removeFolder(foldersOf(agent).top);
}

/** What can be said before anything is written. @throws AgentError bad_file, disk_full */
async function refuseBefore(top: Place, files: readonly FileToSend[]): Promise<void> {
  let all = 0;
  for (const file of files) {
    const { name, bytes = 0 } = streamOf(file);
    refuseLarge(name, bytes);
    all += bytes;
  }
  if (await hasRoom(top, all)) return;
  throw new AgentError("disk_full", `the browser has no room for ${all} bytes that are to be sent`, {
    hint: "make room on the disk, or let the page keep more in the browser's settings",
  });
}

/** @throws AgentError bad_file: it is no stream */
function streamOf(file: FileToSend): Extract<FileToSend, { stream: unknown }> {
  if (typeof file === "object" && "stream" in file) return file;
  throw noPath(typeof file === "string" ? file : file.path);
}

async function keep(spools: Place, file: FileToSend): Promise<GivenFile> {
  const { stream, name, type } = streamOf(file);
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
