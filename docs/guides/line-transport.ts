/** A way to a relay for an agent in a sandbox without a network: by a Unix socket, a frame a line. */
import { connect, createServer, type Server, type Socket as Stream } from "node:net";
import type { Socket, Transport } from "@aimessage/sdk";
import { MOST_FRAME_BYTES } from "@aimessage/sdk/protocol";

/** Frames are JSON on one line. One that never ends must not fill the memory. */
function eachLine(stream: Stream, take: (line: string) => void): void {
  let begun = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) take(line);
    if (begun.length > MOST_FRAME_BYTES) stream.destroy();
  });
}

interface Happening {
  data: unknown;
  code: number;
  reason: string;
}

class LineSocket implements Socket {
  readonly #stream: Stream;
  readonly #listeners = new Map<string, ((event: Happening) => void)[]>();
  #open = false;

  constructor(stream: Stream) {
    this.#stream = stream;
    // The first line is empty: the bridge has reached the relay.
    eachLine(stream, (data) => this.#tell(this.#open ? "message" : "open", { data }));
    stream.on("error", () => this.#tell("error"));
    stream.on("close", () => this.#tell("close"));
  }
  send(text: string): void {
    this.#stream.write(`${text}\n`);
  }
  /** What was sent still leaves, for two seconds; the other side need not answer. */
  close(): void {
    this.#stream.end();
    setTimeout(() => this.#stream.destroy(), 2_000).unref();
  }
  addEventListener(type: string, listener: (event: Happening) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  #tell(type: string, { data }: { data?: unknown } = {}): void {
    if (type === "open") this.#open = true;
    // Closed before it was open is a failure, too.
    if (type === "close" && !this.#open) this.#tell("error");
    for (const listener of this.#listeners.get(type) ?? []) listener({ data, code: 1006, reason: "" });
  }
}

/** In the sandbox. */
export function lineTransport(path: string): Transport {
  return {
    dial: () => new LineSocket(connect(path)),
    explain: async () => ({
      why: `no bridge leads there from ${path}`,
      hint: "start the bridge outside of the sandbox",
    }),
  };
}

/** Outside of it: whoever connects gets a WebSocket to one relay, and to nothing else. */
export function bridge(relay: string): Server {
  return createServer((stream) => {
    const socket = new WebSocket(relay);
    socket.addEventListener("open", () => stream.write("\n"));
    socket.addEventListener("message", ({ data }) => stream.write(`${String(data)}\n`));
    socket.addEventListener("close", () => stream.end());
    eachLine(stream, (line) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(line);
    });
    stream.on("error", () => socket.close());
    stream.on("close", () => socket.close());
  });
}
