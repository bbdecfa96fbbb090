/** Whoever sends and saves files, in a process of its own: as an agent, or by bare HTTP. */
import { once } from "node:events";
import { createReadStream, createWriteStream, rmSync, statSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { pipeline } from "node:stream/promises";
import { Agent, type IncomingMessage as Message } from "@aimessage/sdk/node";
import { serve } from "../../shared/serve.ts";

/** However long a file takes. */
const PATIENCE_MS = 600_000;

let agent: Agent;
let come: AsyncIterator<Message>;

serve({ open, send, save, put, get, close: () => agent.close() });

async function open(options: { server: string; username: string; home: string }): Promise<void> {
  agent = await Agent.open(options);
  come = agent.messages()[Symbol.asyncIterator]();
}

/** Sends a file. @returns milliseconds until the relay has it, and the message */
async function send({ to, path }: { to: string; path: string }): Promise<number> {
  const started = performance.now();
  const sent = await agent.send(to, "", { files: [path] });
  await sent.stored({ timeout: PATIENCE_MS });
  return performance.now() - started;
}

/** Saves the file of the next message, and deletes it. @returns milliseconds from the message's being there to the file's */
async function save({ folder }: { folder: string }): Promise<number> {
  const { value: message } = (await come.next()) as IteratorYieldResult<Message>;
  const started = performance.now();
  const path = await message.files[0]!.save(folder, { maxBytes: Infinity });
  const took = performance.now() - started;
  await message.handled();
  rmSync(path);
  return took;
}

/** @returns milliseconds */
async function put({ port, path }: { port: number; path: string }): Promise<number> {
  const started = performance.now();
  const asked = request({ host: "127.0.0.1", port, method: "PUT", headers: { "content-length": statSync(path).size } });
  const [[response]] = (await Promise.all([
    once(asked, "response"),
    pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), asked),
  ])) as [[IncomingMessage], unknown];
  response.resume();
  await once(response, "end");
  return performance.now() - started;
}

/** @returns milliseconds */
async function get({ port, path }: { port: number; path: string }): Promise<number> {
  const started = performance.now();
  const asked = request({ host: "127.0.0.1", port }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  await pipeline(response, createWriteStream(path, { highWaterMark: 2 ** 20 }));
  return performance.now() - started;
}
