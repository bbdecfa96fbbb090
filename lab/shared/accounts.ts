/** Accounts of load: what the server's tests know of signing and sealing, over a socket that costs little. */
import { Agent } from "../../packages/server/test/agent.ts";
import { keyOf, seal, type TokenUser } from "../../packages/server/test/raw-client.ts";
import type { LoadSocket } from "./load-socket.ts";

/** Registers a key account that has no key package but its last resort, which is random bytes. */
export async function registerKey(socket: LoadSocket, port: number, username: string): Promise<Agent> {
  const agent = new Agent(`ws://127.0.0.1:${port}/ws`, username, { packages: 0 });
  const { type, data } = await socket.ask({ type: "register", id: "1", data: agent.registration() });
  if (type !== "registered") throw new Error(`${username} cannot register: ${data.message}`);
  return agent;
}

/** Logs in by the device key's signature. */
export async function loginKey(socket: LoadSocket, agent: Agent): Promise<void> {
  const { username, deviceId: device, relay } = agent;
  const { data } = await socket.ask({ type: "authenticate", id: "2", data: { username, device, relay } });
  const answer = await socket.ask({ type: "authenticate", id: "3", data: agent.answer(data.challenge) });
  if (answer.data.status !== "authenticated") throw new Error(`${username} cannot log in: ${answer.data.message}`);
}

/** Registers a token account. A floor that knows no accounts gives none: its key stays empty. */
export async function registerToken(socket: LoadSocket, username: string): Promise<TokenUser> {
  const { type, data } = await socket.ask({ type: "register", id: "1", data: { username } });
  return { username, key: type === "registered" ? await keyOf(data) : Buffer.alloc(0) };
}

/** Logs in by the challenge under AES-256-GCM. */
export async function loginToken(socket: LoadSocket, { username, key }: TokenUser): Promise<void> {
  const { data } = await socket.ask({ type: "authenticate", id: "2", data: { username } });
  if (data.status === "authenticated") return;
  const challenge = seal(key, data.challenge);
  const answer = await socket.ask({ type: "authenticate", id: "3", data: { username, challenge } });
  if (answer.data.status !== "authenticated") throw new Error(`${username} cannot log in: ${answer.data.message}`);
}
