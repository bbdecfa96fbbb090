/** What a group costs at the least: one encapsulation for each member, and one write to the socket of each. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import type { GroupCrypto } from "@aimessage/sdk/node";

/** A path secret, and room for its AEAD tag. Bytes. */
const SECRET_BYTES = 64;
/** What a pushed frame has beside the body. Bytes. */
const FRAME_BYTES = 600;

/** As many seals of HPKE as a founding needs: one for each member. */
export async function sealFor({ primitives: { hpke } }: GroupCrypto, members: number): Promise<void> {
  const { publicKey } = await hpke.generateKeyPair();
  const secret = new Uint8Array(SECRET_BYTES);
  for (let at = 0; at < members; at++) await hpke.seal(publicKey, secret, secret);
}

/** In a thread of its own, as a relay is a process of its own: what one writes goes to all others. */
const SERVER = `
const { createServer } = require("node:net");
const { parentPort } = require("node:worker_threads");
const sockets = new Set();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on("data", (bytes) => { for (const other of sockets) if (other !== socket) other.write(bytes); });
  socket.on("error", () => sockets.delete(socket));
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

export class FanOut implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #sender: Socket;
  readonly #readers: Socket[];

  private constructor(worker: Worker, sender: Socket, readers: Socket[]) {
    this.#worker = worker;
    this.#sender = sender;
    this.#readers = readers;
  }

  static async start(readers: number): Promise<FanOut> {
    const worker = new Worker(SERVER, { eval: true });
    const [port] = (await once(worker, "message")) as [number];
    const open = async (): Promise<Socket> => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      await once(socket, "connect");
      return socket;
    };
    return new FanOut(worker, await open(), await Promise.all(Array.from({ length: readers }, open)));
  }

  /** Resolves when all have what one has written. */
  async round(body: number): Promise<void> {
    const bytes = body + FRAME_BYTES;
    const all = this.#readers.map(
      (socket) =>
        new Promise<void>((resolve) => {
          let come = 0;
          const read = (piece: Buffer): void => {
            come += piece.length;
            if (come < bytes) return;
            socket.off("data", read);
            resolve();
          };
          socket.on("data", read);
        }),
    );
    this.#sender.write(Buffer.alloc(bytes));
    await Promise.all(all);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [this.#sender, ...this.#readers]) socket.destroy();
    await this.#worker.terminate();
  }
}
