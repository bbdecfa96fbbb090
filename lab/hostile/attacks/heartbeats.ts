import { textFrame } from "../../shared/websocket.ts";
import { again, type Attack, besiege, pour } from "../foe.ts";

const BYTES = 950_000;

/** Heartbeats that are nearly as large as a frame may be, and full of keys. */
export const heartbeats: Attack = (target, signal) => {
  const data: Record<string, number> = {};
  for (let key = 0; key < BYTES / 12; key++) data[`k${String(key).padStart(7, "0")}`] = 1;
  const frame = textFrame(JSON.stringify({ type: "heartbeat", id: "h", data }));
  return besiege(target, { name: "heart", accounts: 4, from: ["127.0.1.1"] }, signal, (socket) =>
    pour(socket, again(frame), signal),
  );
};
