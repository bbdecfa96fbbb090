import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { serve } from "../../shared/serve.ts";

/** A bare `ws` server on any free port of the loopback interface. */
export async function listen(onConnection: (socket: WebSocket) => void): Promise<void> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", onConnection);
  await once(server, "listening");
  serve({ port: () => (server.address() as AddressInfo).port });
}
