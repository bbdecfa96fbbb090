import type { Writable } from "node:stream";
import type { Transport } from "../wire/connect.ts";
import type { Socket } from "../wire/connection.ts";
import { MOST_FRAME_BYTES } from "../protocol/index.ts";
import { explainUnreachable } from "./probe.ts";
import { bunWayTo, wayTo } from "./way.ts";

const OPTIONS = {
  perMessageDeflate: false,
  /** Bytes of one frame of a relay, and the pieces in which it may come: each takes room, however small it is. */
  maxPayload: MOST_FRAME_BYTES,
  maxFragments: 256,
  maxBufferedChunks: 2 ** 14,
  /** How long the other side has to close its end. Milliseconds. */
  closeTimeout: 2_000,
};

/**
 * Node's own WebSocket is a part of its `fetch`: loading that takes a fifth of a whole `aimessage send`, and each message
 * costs it more. Bun's own is small, and is what Bun puts in the place of `ws`.
 */
export const nodeTransport: Transport = {
  dial: async (url): Promise<Socket> => {
    if ("bun" in process.versions) return new WebSocket(url, (await bunWayTo(url)) as unknown as string[]);
    const ws = await import("ws");
    const given = new AbortController();
    const socket = new ws.WebSocket(url, { ...OPTIONS, ...(await wayTo(url, given.signal)) } as object);
    socket.on("close", () => given.abort());
    socket.once("upgrade", ({ socket: raw }) => sendTogether(socket, raw));
    return socket;
  },
  explain: explainUnreachable,
};

/** What is sent at the same moment, as the messages of one turn, is written at once: each write takes longer than what it writes takes to be made. */
function sendTogether(socket: Pick<Socket, "send">, raw: Pick<Writable, "cork" | "uncork">): void {
  const send = socket.send.bind(socket);
  let isCorked = false;
  socket.send = (text) => {
    if (!isCorked) {
      isCorked = true;
      raw.cork();
      // Before whatever else is done in this turn of the event loop: who waits for it waits no longer for that.
      queueMicrotask(() => {
        isCorked = false;
        raw.uncork();
      });
    }
    send(text);
  };
}
