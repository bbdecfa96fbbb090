/** Opens connections that do nothing: bare ones, or those of key accounts that have logged in and listen. */
import { serve } from "../../shared/serve.ts";
import { type KeyAccount, loginKey, registerKey } from "../../shared/key-account.ts";
import { LoadSocket } from "../../shared/load-socket.ts";

const AT_A_TIME = 50;

const accounts: KeyAccount[] = [];
let sockets: LoadSocket[] = [];

serve({ register, open, close });

/** Registers so many accounts; `open` uses them from then on. */
async function register({ port, count }: { port: number; count: number }): Promise<void> {
  const socket = await LoadSocket.open(port);
  for (let index = 0; index < count; index++)
    accounts.push(await registerKey(socket, `127.0.0.1:${port}`, `idle-${index}`));
  await socket.close();
}

async function open({ port, count }: { port: number; count: number }): Promise<void> {
  for (let from = 0; from < count; from += AT_A_TIME)
    await Promise.all(
      Array.from({ length: Math.min(AT_A_TIME, count - from) }, async (_, index) => {
        const socket = await LoadSocket.open(port);
        sockets.push(socket);
        const account = accounts[from + index];
        if (account === undefined) return;
        await loginKey(socket, `127.0.0.1:${port}`, account);
        await socket.ask({ type: "listen", id: "4" });
      }),
    );
}

async function close(): Promise<void> {
  await Promise.all(sockets.map((socket) => socket.close()));
  sockets = [];
}
