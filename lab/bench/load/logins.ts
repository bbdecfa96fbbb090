/** Load generator of logins: a fresh connection for each, several at a time. */
import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "../../../packages/server/test/agent.ts";
import type { TokenUser } from "../../../packages/server/test/raw-client.ts";
import { loginKey, loginToken, registerKey, registerToken } from "../../shared/accounts.ts";
import { onSocket } from "../../shared/load-socket.ts";
import { serve } from "../../shared/serve.ts";

/** Connections at a time, each with accounts of its own. */
const LANES = 32;
/** A relay with limits takes some tens a second of one address. */
const BETWEEN_SINGLES_MS = 50;
/** A text of the size of a login frame. */
const PROBE = { type: "authenticate", id: "2", data: { username: "bench", challenge: "x".repeat(128) } };

let tokens: TokenUser[] = [];
let keys: Agent[] = [];

serve({ register, run, singles });

async function register({ port, accounts = LANES }: { port: number; accounts?: number }): Promise<void> {
  const lanes = Array.from({ length: accounts }, (_, lane) => lane);
  tokens = await Promise.all(lanes.map((lane) => onSocket(port, (socket) => registerToken(socket, `token-${lane}`))));
  keys = await Promise.all(lanes.map((lane) => onSocket(port, (socket) => registerKey(socket, port, `key-${lane}`))));
}

/** @returns logins a second; of `echo`, connections with two round trips */
async function run({ port, kind, seconds }: { port: number; kind: string; seconds: number }): Promise<number> {
  const started = performance.now();
  const end = started + seconds * 1000;
  let count = 0;
  const lane = async (_: unknown, index: number): Promise<void> => {
    for (; performance.now() < end; count++)
      await onSocket(port, async (socket) => {
        if (kind === "token") await loginToken(socket, tokens[index] as TokenUser);
        else if (kind === "key") await loginKey(socket, keys[index] as Agent);
        else {
          await socket.ask(PROBE);
          await socket.ask(PROBE);
        }
      });
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return count / ((performance.now() - started) / 1000);
}

/** One after the other, of a key account. @returns milliseconds of each */
async function singles({ port, seconds }: { port: number; seconds: number }): Promise<number[]> {
  const took: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await delay(BETWEEN_SINGLES_MS)) {
    const started = performance.now();
    await onSocket(port, (socket) => loginKey(socket, keys[0] as Agent));
    took.push(performance.now() - started);
  }
  return took;
}
