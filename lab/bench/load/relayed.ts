/** Load generator of relayed messages: connections in a ring, each sends to the next as fast as its window allows. */
import { randomBytes } from "node:crypto";
import { loginToken, registerToken } from "../../shared/accounts.ts";
import { LoadSocket, onSocket } from "../../shared/load-socket.ts";
import { serve } from "../../shared/serve.ts";
import { textFrame } from "../../shared/websocket.ts";

const MESSAGE_BYTES = 128;
/** Time that everything under way has to arrive when the sending has ended. Milliseconds. */
const DRAIN_MS = 20_000;
/** First letter of the type in `{"type":"ack"`: the relay and the forwarder both write the type first. */
const TYPE_AT = '{"type":"'.length;
const [ACK, MESSAGE, OFFLINE] = ["a", "m", "o"].map((letter) => letter.charCodeAt(0));

interface Sender {
  socket: LoadSocket;
  frame: Buffer;
}
const senders: Sender[] = [];
/** Whether what is sent is pushed to one of our own connections. */
let pushed = true;

serve({ connect, run });

interface Plan {
  /** Where they connect: each to the one behind that of the one before. */
  ports: number[];
  connections: number;
  /** Each to the next (default), or to others that are not there: registered ones, or nobody at all. */
  to?: "registered" | "nobody";
}

async function connect({ ports, connections, to }: Plan): Promise<void> {
  pushed = to === undefined;
  const names = Array.from({ length: connections }, (_, index) => `bench-${index}`);
  await Promise.all(
    names.map(async (username, index) => {
      const port = ports[index % ports.length] ?? 0;
      const socket = await LoadSocket.open(port);
      await loginToken(socket, await registerToken(socket, username));
      const message = randomBytes(MESSAGE_BYTES).toString("base64").slice(0, MESSAGE_BYTES);
      const absent = `absent-${index}`;
      if (to === "registered") await onSocket(port, (other) => registerToken(other, absent));
      const data = { to: pushed ? names[(index + 1) % connections] : absent, message };
      const timestamp = Math.floor(Date.now() / 1000);
      senders.push({ socket, frame: textFrame(JSON.stringify({ type: "send", id: "1", timestamp, data })) });
    }),
  );
}

/** Sends for so many seconds, waits until everything has arrived. @returns messages a second */
async function run({ window, seconds }: { window: number; seconds: number }): Promise<number> {
  const started = performance.now();
  const end = started + seconds * 1000;
  let sent = 0;
  let acknowledged = 0;
  let arrived = 0;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`of ${sent} messages only ${arrived} have arrived`)),
      seconds * 1000 + DRAIN_MS,
    );
    for (const { socket, frame } of senders) {
      socket.onClose = () => reject(new Error("the server has closed a connection"));
      socket.onText = (buffer, start, stop) => {
        const type = buffer[start + TYPE_AT];
        if (type === MESSAGE || type === OFFLINE) arrived += 1;
        else if (type === ACK) {
          acknowledged += 1;
          if (performance.now() < end) {
            sent += 1;
            socket.write(frame);
          }
        } else reject(new Error(buffer.toString("utf8", start, stop)));
        if ((pushed && arrived < sent) || acknowledged < sent) return;
        clearTimeout(timer);
        resolve();
      };
      sent += window;
      for (let count = 0; count < window; count++) socket.write(frame);
    }
  });
  return acknowledged / ((performance.now() - started) / 1000);
}
