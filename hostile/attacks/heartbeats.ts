import { type Attack, enlist, login, persist, pour } from "../foe.ts";
import { textFrame } from "../../bench/load/socket.ts";

const ACCOUNTS = 4;
const BYTES = 950_000;

/** Heartbeats that are nearly as large as a frame may be, and full of keys. */
export const heartbeats: Attack = async (target, signal) => {
  const data: Record<string, number> = {};
  for (let key = 0; key < BYTES / 12; key++) data[`k${String(key).padStart(7, "0")}`] = 1;
  const frame = textFrame(JSON.stringify({ type: "heartbeat", id: "h", data }));
  const same = { next: () => ({ value: frame, done: false }) };
  await Promise.all(
    Array.from({ length: ACCOUNTS }, async (_, index) => {
      const foe = await enlist(target, `heart-${target.run}-${index}`, "127.0.1.1", signal);
      await persist(signal, async () => {
        const socket = await login(target, foe);
        await pour(socket, same, signal);
        await socket.close();
      });
    }),
  );
};
