/** Floor of relayed messages: parses a frame, forwards it, acknowledges it. No store, no checks, no logins. */
import type { WebSocket } from "ws";
import { listen } from "./listen.ts";

interface Frame {
  type: string;
  id: string;
  data: { username: string; to: string; message: string };
}

const sockets = new Map<string, WebSocket>();

await listen((socket) => {
  let username = "";
  let count = 0;
  const write = (type: string, data: object, replyTo?: string) =>
    socket.send(JSON.stringify({ type, id: `r${++count}`, timestamp: seconds(), reply_to: replyTo, data }));
  socket.on("message", (bytes: Buffer) => {
    const { type, id, data } = JSON.parse(bytes.toString()) as Frame;
    if (type === "send") {
      sockets.get(data.to)?.send(
        JSON.stringify({
          type: "message",
          id: `s${++count}`,
          timestamp: seconds(),
          data: { from: username, message: data.message, timestamp: seconds() },
        }),
      );
      write("ack", { status: "delivered", message_id: id }, id);
    } else {
      username = data.username;
      sockets.set(username, socket);
      write("ack", { status: "authenticated" }, id);
    }
  });
});

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
