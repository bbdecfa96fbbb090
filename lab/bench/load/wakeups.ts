/** Load generator of single messages: how long one that is stored takes to a recipient who is at another relay. */
import { loginToken, registerToken } from "../../shared/accounts.ts";
import { LoadSocket } from "../../shared/load-socket.ts";
import { serve } from "../../shared/serve.ts";
import { textFrame } from "../../shared/websocket.ts";

const RECIPIENT = "woken";
const frame = textFrame(JSON.stringify({ type: "send", id: "1", data: { to: RECIPIENT, message: "x".repeat(128) } }));

let sender: LoadSocket;
let recipient: LoadSocket;

serve({ connect, wakeUps });

/** @param to Where the recipient is @param from Where its sender is */
async function connect({ from, to }: { from: number; to: number }): Promise<void> {
  recipient = await LoadSocket.open(to);
  await loginToken(recipient, await registerToken(recipient, RECIPIENT));
  sender = await LoadSocket.open(from);
  await loginToken(sender, await registerToken(sender, "waker"));
}

/** One message at a time. @returns milliseconds of each from its `ack`, which says that it is stored, until it is there */
async function wakeUps({ seconds }: { seconds: number }): Promise<number[]> {
  const took: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    const [stored, there] = [at(sender), at(recipient)];
    sender.write(frame);
    took.push((await there) - (await stored));
  }
  return took;
}

/** When the next frame comes, by `performance.now()`. */
async function at(socket: LoadSocket): Promise<number> {
  const { type, data } = await socket.next();
  if (type === "error") throw new Error(data.message);
  return performance.now();
}
