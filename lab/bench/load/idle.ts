/** Opens connections that do nothing: bare ones, or those of key accounts that have logged in and listen. */
import type { Agent } from "../../../packages/server/test/agent.ts";
import { loginKey, registerKey } from "../../shared/accounts.ts";
import { LoadSocket, onSocket } from "../../shared/load-socket.ts";
import { serve } from "../../shared/serve.ts";

const AT_A_TIME = 50;

const accounts: Agent[] = [];
let sockets: LoadSocket[] = [];

serve({ register, open, close });

/** Registers so many accounts; `open` uses them from then on. */
async function register({ port, count }: { port: number; count: number }): Promise<void> {
  await onSocket(port, async (socket) => {
    for (let index = 0; index < count; index++) accounts.push(await registerKey(socket, port, `idle-${index}`));
  });
}

async function open({ port, count }: { port: number; count: number }): Promise<void> {
  for (let from = 0; from < count; from += AT_A_TIME)
    await Promise.all(
      Array.from({ length: Math.min(AT_A_TIME, count - from) }, async (_, index) => {
        const socket = await LoadSocket.open(port);
        sockets.push(socket);
        const account = accounts[from + index];
        if (account === undefined) return;
        // A relay that has started again has another port, and so another name.
        account.relay = `127.0.0.1:${port}`;
        await loginKey(socket, account);
        await socket.ask({ type: "listen", id: "4" });
      }),
    );
}

async function close(): Promise<void> {
  await Promise.all(sockets.map((socket) => socket.close()));
  sockets = [];
}
