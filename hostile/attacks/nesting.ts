import { LoadSocket, textFrame } from "../../bench/load/socket.ts";
import { type Attack, persist, pour } from "../foe.ts";

const CONNECTIONS = 60;
const DEPTH = 31_000;

/** Frames of strangers that are nested as deeply as they are long. */
export const nesting: Attack = async (target, signal) => {
  const frame = textFrame(`{"type":"info","id":"n","data":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}`);
  const same = { next: () => ({ value: frame, done: false }) };
  await Promise.all(
    Array.from({ length: CONNECTIONS }, () =>
      persist(signal, async () => {
        const socket = await LoadSocket.open(target.port, "127.0.1.2");
        await pour(socket, same, signal);
        await socket.close();
      }),
    ),
  );
};
