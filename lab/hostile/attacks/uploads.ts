import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { LoadSocket } from "../../shared/load-socket.ts";
import { type Attack, besiege, insist } from "../foe.ts";

const UPLOADERS = 20;
const BYTES = 2 ** 24;
const PIECE_BYTES = 2 ** 23;
/** Read at once by whoever reads slowly, and how often. Milliseconds. */
const SIP_BYTES = 1024;
const SIP_MS = 500;

interface Blob {
  blob: string;
  token: string;
  readToken: string;
}

/** Accounts that bring files at full rate; one of them reads one slowly, and one never ends its part. */
export const uploads: Attack = (target, signal) => {
  const from = ["127.0.3.1", "127.0.3.2", "127.0.3.3", "127.0.3.4"];
  const bytes = randomBytes(PIECE_BYTES);
  return besiege(target, { name: "upload", accounts: UPLOADERS, from }, signal, async (socket, _foe, index) => {
    const { port } = target;
    while (!signal.aborted) {
      const blob = await room(socket, signal);
      if (index === 0) await neverEnd(port, blob, signal);
      for (let at = 0; at < BYTES; at += PIECE_BYTES) await ask(bring(port, blob, at, signal), bytes);
      if (index === 1) await sip(port, blob, signal);
      await socket.ask({ type: "blob_delete", id: "d", data: { blob: blob.blob } });
    }
  });
};

async function room(socket: LoadSocket, signal: AbortSignal): Promise<Blob> {
  const readToken = randomBytes(32);
  const read_hash = createHash("sha256").update(readToken).digest("base64");
  const data = { request_id: randomBytes(16).toString("hex"), bytes: BYTES, readers: 1000, read_hash };
  const answer = await insist(socket, { type: "blob", id: "b", data }, signal);
  return { ...answer.data, readToken: readToken.toString("base64") };
}

function bring(port: number, { blob, token }: Blob, offset: number, signal: AbortSignal): ClientRequest {
  return request({
    host: "127.0.0.1",
    port,
    method: "PATCH",
    path: `/blobs/${blob}`,
    signal,
    headers: {
      authorization: `Bearer ${token}`,
      "tus-resumable": "1.0.0",
      "content-type": "application/offset+octet-stream",
      "upload-offset": offset,
      "content-length": PIECE_BYTES,
    },
  });
}

async function ask(asked: ClientRequest, body: Buffer): Promise<void> {
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
}

/** A part of which a byte comes now and then. */
async function neverEnd(port: number, blob: Blob, signal: AbortSignal): Promise<void> {
  const asked = bring(port, blob, 0, signal);
  asked.on("error", () => {});
  while (!signal.aborted && !asked.destroyed) {
    asked.write("x");
    await delay(SIP_MS, undefined, { signal });
  }
}

async function sip(port: number, { blob, readToken }: Blob, signal: AbortSignal): Promise<void> {
  const asked = request({
    host: "127.0.0.1",
    port,
    path: `/blobs/${blob}`,
    headers: { authorization: `Bearer ${readToken}` },
    signal,
  }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  while (!signal.aborted && !response.destroyed && response.read(SIP_BYTES) !== undefined)
    await delay(SIP_MS, undefined, { signal });
}
