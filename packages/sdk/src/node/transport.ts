import type { Transport } from "../client/connect.ts";
import type { Socket } from "../client/connection.ts";
import { explainUnreachable } from "./probe.ts";

const OPTIONS = {
  perMessageDeflate: false,
  /** What one frame of a relay may hold, in bytes: far more than any that is honest. */
  maxPayload: 64 * 2 ** 20,
  /** How long the other side has to close its end. Milliseconds. */
  closeTimeout: 2_000,
};

/**
 * Node's own WebSocket is a part of its `fetch`: loading that takes a fifth of a whole `aimessage send`, and each message
 * costs it more. But it knows the proxies of the environment. Bun's own is small, and is what Bun puts in the place of `ws`.
 */
export const nodeTransport: Transport = {
  dial: async (url): Promise<Socket> => {
    if ("bun" in process.versions || usesProxies()) return new WebSocket(url);
    const ws = await import("ws");
    return new ws.WebSocket(url, OPTIONS);
  },
  explain: explainUnreachable,
};

/** Whether Node has been told to use HTTP_PROXY and the like (https://nodejs.org/api/cli.html#--use-env-proxy). */
function usesProxies(): boolean {
  const { NODE_USE_ENV_PROXY, NODE_OPTIONS = "" } = process.env;
  return NODE_USE_ENV_PROXY === "1" || `${NODE_OPTIONS} ${process.execArgv.join(" ")}`.includes("--use-env-proxy");
}
