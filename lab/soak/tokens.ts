/** Token accounts of the soak: a ring that relays opaque messages at its pace, and logins on fresh connections. */
import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "../../packages/server/test/agent.ts";
import type { TokenUser } from "../../packages/server/test/raw-client.ts";
import { loginKey, loginToken, registerKey, registerToken } from "../shared/accounts.ts";
import { type Frame, LoadSocket, onSocket } from "../shared/load-socket.ts";
import { serve } from "../shared/serve.ts";
import { textFrame } from "../shared/websocket.ts";
import { Reporter } from "./samples.ts";

const ACCOUNTS = 8;
const MESSAGE_BYTES = 128;
/** One message of each account, and one login. */
const EVERY_MS = 200;
const DRAIN_MS = 20_000;

const reporter = new Reporter();
const sockets: LoadSocket[] = [];
/** When a message left that has not arrived, by its text. */
const underWay = new Map<string, number>();
let port: number;
let visitors: { key: Agent; token: TokenUser };
let timer: NodeJS.Timeout;
let number = 0;
let loggingIn: Promise<void> | undefined;

serve({
  open,
  send,
  stop,
  report: () => reporter.take(),
  /** How many messages have not arrived. */
  missing: () => underWay.size,
});

async function open(options: { port: number }): Promise<void> {
  port = options.port;
  for (let index = 0; index < ACCOUNTS; index++) {
    const socket = await LoadSocket.open(port);
    await loginToken(socket, await registerToken(socket, nameOf(index)));
    socket.onText = (buffer, start, end) => read(JSON.parse(buffer.toString("utf8", start, end)) as Frame);
    socket.onClose = () => reporter.failed("the relay has closed a token account's connection");
    sockets.push(socket);
  }
  const key = await onSocket(port, (socket) => registerKey(socket, port, "key-visitor"));
  visitors = { key, token: await onSocket(port, (socket) => registerToken(socket, "token-visitor")) };
}

function send(): void {
  timer = setInterval(() => {
    number += 1;
    for (const [index, socket] of sockets.entries()) {
      const message = `${index}-${number}-`.padEnd(MESSAGE_BYTES, "x");
      underWay.set(message, performance.now());
      socket.write(frameTo(nameOf((index + 1) % ACCOUNTS), message));
    }
    // One at a time: those of a key account have to arrive in order.
    loggingIn ??= login()
      .catch((error: unknown) => reporter.failed(error))
      .finally(() => (loggingIn = undefined));
  }, EVERY_MS);
}

/** Resolves when everything has arrived, or never will. */
async function stop(): Promise<void> {
  clearInterval(timer);
  for (const end = performance.now() + DRAIN_MS; underWay.size > 0 && performance.now() < end;) await delay(EVERY_MS);
}

function read({ type, data }: Frame): void {
  if (type === "ack") return;
  const left = underWay.get(data.message);
  if (left === undefined) return reporter.failed(`a token account was sent what it does not expect: ${type}`);
  underWay.delete(data.message);
  reporter.timed("relayed", left);
}

/** Key and token accounts in turns: logs in, asks who is there, and is gone. */
async function login(): Promise<void> {
  const started = performance.now();
  const kind = number % 2 === 0 ? "key" : "token";
  await onSocket(port, async (socket) => {
    if (kind === "key") await loginKey(socket, visitors.key);
    else await loginToken(socket, visitors.token);
    const { type } = await socket.ask({ type: "list_users", id: "4" });
    if (type !== "user_list") throw new Error(`list_users was answered with ${type}`);
  });
  reporter.timed("login", started);
}

function frameTo(to: string, message: string): Buffer {
  return textFrame(JSON.stringify({ type: "send", id: "1", data: { to, message } }));
}

function nameOf(index: number): string {
  return `token-${index}`;
}
