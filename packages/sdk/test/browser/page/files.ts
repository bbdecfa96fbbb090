/** What the page of files.test.ts can do: be an agent that sends files and saves them, and say what lies in its file system. */
import { Agent, AgentError, fileToSend, type FileProgress } from "@aimessage/sdk/browser";

let agent: Agent;

async function open(username: string, server?: string): Promise<void> {
  agent = await Agent.open({ username, ...(server === undefined ? {} : { server }) });
  void listen();
}

/** What comes is taken from the relay, and handled by nobody. */
async function listen(): Promise<void> {
  try {
    for await (const _ of agent.news());
  } catch {
    // It is closed.
  }
}

/** The bytes of a file that both sides can make: no two pieces of it are the same. */
function content(bytes: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let at = 0, word = 1; at < words.length; at++)
    words[at] = word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
  return new Uint8Array(words.buffer, 0, bytes);
}

async function digestOf(blob: Blob): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends a file of so many bytes, as one that a person has chosen. */
async function send(to: string, bytes: number, name: string): Promise<string> {
  const file = new File([content(bytes)], name, { type: "text/csv" });
  return (await agent.send(to, "with a file", { files: [fileToSend(file)] })).id;
}

/** The code and reason with which a file is refused. `bytes`: as many as it says that it has; `gives`: as it has */
async function refusal(to: string, bytes: number | undefined, gives = 0): Promise<string> {
  const stream = (async function* () {
    for (let at = 0; at < gives; at += 2 ** 20) yield new Uint8Array(2 ** 20);
  })();
  const said = bytes === undefined ? {} : { bytes };
  return agent.send(to, "x", { files: [{ stream, name: "large", ...said }] }).then(() => "", codeOf);
}

async function stateOf(id: string): Promise<string | undefined> {
  return (await agent.status(id))?.files?.[0]?.state;
}

const received = async (): Promise<string[]> => (await agent.inbox()).map(({ id }) => id);

/** Saves the first file of a message, and resolves to its path; where that fails to its code and reason. */
async function save(id: string, folder: string, onProgress?: (progress: FileProgress) => void): Promise<string> {
  const [file] = (await agent.message(id)).files;
  return (file as NonNullable<typeof file>).save(folder, onProgress === undefined ? {} : { onProgress }).catch(codeOf);
}

/** How much of it has come is told to `done`, which waits for nothing. */
function startToSave(id: string, folder: string): void {
  void save(id, folder, ({ done }) => Object.assign(globalThis, { saved: done }));
}

const come = (): number => (globalThis as unknown as { saved?: number }).saved ?? 0;

async function saved(path: string): Promise<{ name: string; type: string; digest: string } | undefined> {
  const file = await agent.savedFile(path);
  return file === undefined ? undefined : { name: file.name, type: file.type, digest: await digestOf(file) };
}

async function streamed(id: string): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const [file] = (await agent.message(id)).files;
  for await (const piece of file!.stream()) pieces.push(new Uint8Array(piece));
  return digestOf(new Blob(pieces));
}

const removeSaved = (path: string): Promise<boolean> => agent.removeSaved(path);

/** The folder of this page's agent. */
async function own(): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await navigator.storage.getDirectory();
  const top = await root.getDirectoryHandle("aimessage", { create: true });
  return top.getDirectoryHandle(agent.username).catch(() => undefined);
}

/** The files of this page's agent, by their paths. */
async function files(folder?: FileSystemDirectoryHandle, above = ""): Promise<[path: string, file: File][]> {
  const found: [string, File][] = [];
  for await (const entry of (folder ?? (await own()))?.values() ?? []) {
    const path = `${above}${entry.name}`;
    if (entry instanceof FileSystemDirectoryHandle) found.push(...(await files(entry, `${path}/`)));
    else found.push([path, await entry.getFile()]);
  }
  return found;
}

/** What each of them takes. */
const list = async (): Promise<[path: string, bytes: number][]> =>
  (await files()).map(([path, file]) => [path, file.size]);

/** Whether any of them holds these bytes. */
async function holds(text: string): Promise<boolean> {
  for (const [, file] of await files()) if ((await file.text()).includes(text)) return true;
  return false;
}

const sendText = async (to: string, text: string): Promise<string> =>
  (await agent.send(to, "x", { files: [fileToSend(new Blob([text]), "text")] })).id;
const handle = async (id: string): Promise<void> => (await agent.message(id)).handled();
const unregister = (): Promise<boolean> => agent.unregister();
const close = (): Promise<void> => agent.close();
const backup = (passphrase: string): Promise<string> => agent.backup(passphrase);

/** The fingerprint of a backup's agent, which is this page's then; or the code with which it is refused. */
async function restore(sealed: string, passphrase: string): Promise<string> {
  try {
    agent = await Agent.restore(sealed, passphrase);
    return agent.fingerprint;
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof AgentError)) return String(error);
  return error.reason === undefined ? error.code : `${error.code} ${error.reason}`;
}

const page = {
  open,
  send,
  sendText,
  refusal,
  stateOf,
  received,
  save,
  startToSave,
  come,
  saved,
  streamed,
  removeSaved,
  list,
  holds,
  handle,
  unregister,
  close,
  backup,
  restore,
};
export type FilesPage = typeof page;
Object.assign(globalThis, { filesPage: page });
