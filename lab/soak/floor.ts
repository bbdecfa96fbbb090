/**
 * Floor of the soak's latencies, at the pace of an agent: what a message costs whoever carries it. The MLS library alone
 * encrypts and decrypts it, a bare server passes it there and back, and the disk is waited for four times. It shows what
 * each minute's machine makes of that.
 */
import { randomBytes } from "node:crypto";
import { open as openFile, type FileHandle } from "node:fs/promises";
import { openPair } from "../bench/floors/pair.ts";
import { LoadSocket } from "../shared/load-socket.ts";
import { serve } from "../shared/serve.ts";
import { EVERY_MS } from "./load.ts";
import { Reporter } from "./samples.ts";

const BODY_BYTES = 200;

const reporter = new Reporter();
const body = randomBytes(BODY_BYTES);
const page = Buffer.alloc(4096);
const { crypto, ...groups } = await openPair();
let { sending, receiving } = groups;
let bare: LoadSocket;
let file: FileHandle;
let timer: NodeJS.Timeout;
let last: Promise<void> = Promise.resolve();

serve({ open, send, stop, report: () => reporter.take() });

async function open(options: { echo: number; file: string }): Promise<void> {
  bare = await LoadSocket.open(options.echo);
  file = await openFile(options.file, "w");
}

function send(): void {
  timer = setInterval(() => {
    const started = performance.now();
    last = last.then(() => pass(started)).catch((error: unknown) => reporter.failed(error));
  }, EVERY_MS);
}

function stop(): Promise<void> {
  clearInterval(timer);
  return last;
}

async function pass(started: number): Promise<void> {
  const sealed = await crypto.encrypt(sending, body, new Uint8Array());
  sending = sealed.group;
  await write();
  await bare.ask({ type: "send", id: "1", data: { message: Buffer.from(sealed.message).toString("base64") } });
  await write();
  receiving = (await crypto.decrypt(receiving, sealed.message)).group;
  await write();
  await bare.ask({ type: "received", id: "2", data: {} });
  await write();
  reporter.timed("floor", started);
}

async function write(): Promise<void> {
  await file.write(page, 0, page.length, 0);
  await file.datasync();
}
