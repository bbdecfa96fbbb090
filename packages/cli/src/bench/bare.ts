/** Files by HTTP and nothing else, to a server on this machine: what there is to be had without encryption, receipts and a relay. */
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { request } from "node:http";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { Worker } from "node:worker_threads";

/** Read and written at a time. Bytes. */
const CHUNK = 2 ** 20;

/** In a thread of its own, as a relay is a process of its own. PUT: into a file, which is synced. GET: that file. */
const SERVER = `
const { createReadStream, createWriteStream, fsync } = require("node:fs");
const { createServer } = require("node:http");
const { pipeline } = require("node:stream");
const { parentPort, workerData: { path, CHUNK } } = require("node:worker_threads");
const server = createServer((request, response) => {
  const end = (error) => { response.statusCode = error ? 500 : 204; response.end(); };
  if (request.method === "GET") return pipeline(createReadStream(path, { highWaterMark: CHUNK }), response, () => undefined);
  const file = createWriteStream(path, { highWaterMark: CHUNK, flush: true });
  pipeline(request, file, end);
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

export class BareServer implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #port: number;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.#port = port;
  }

  /** @param path The file into which everything is put. */
  static async start(path: string): Promise<BareServer> {
    const worker = new Worker(SERVER, { eval: true, workerData: { path, CHUNK } });
    const [port] = (await once(worker, "message")) as [number];
    return new BareServer(worker, port);
  }

  async put(path: string, bytes: number): Promise<void> {
    const asked = this.#ask("PUT", { "content-length": bytes });
    const answered = once(asked, "response");
    await pipeline(createReadStream(path, { highWaterMark: CHUNK }), asked);
    const [response] = (await answered) as [NodeJS.ReadableStream];
    response.resume();
    await once(response, "end");
  }

  /** Into a file, which is synced. */
  async get(path: string): Promise<void> {
    const asked = this.#ask("GET", {});
    asked.end();
    const [response] = (await once(asked, "response")) as [NodeJS.ReadableStream];
    await pipeline(response, createWriteStream(path, { highWaterMark: CHUNK }));
    await using file = await open(path, "r+");
    await file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(method: string, headers: Record<string, number>) {
    return request({ host: "127.0.0.1", port: this.#port, method, headers });
  }
}
