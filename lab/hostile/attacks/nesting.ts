import { LoadSocket } from "../../shared/load-socket.ts";
import { textFrame } from "../../shared/websocket.ts";
import { again, type Attack, persist, pour } from "../foe.ts";

const CONNECTIONS = 60;
const DEPTH = 31_000;

/** Frames of strangers that are nested as deeply as they are long. */
export const nesting: Attack = async (target, signal) => {
  const frame = textFrame(`{"type":"info","id":"n","data":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}`);
  await Promise.all(
    Array.from({ length: CONNECTIONS }, () =>
      persist(signal, async () => {
        const socket = await LoadSocket.open(target.port, "127.0.1.2");
        await pour(socket, again(frame), signal);
        await socket.close();
      }),
    ),
  );
};
