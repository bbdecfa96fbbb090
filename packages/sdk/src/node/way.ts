import type { LookupFunction } from "node:net";
import { AgentError } from "../errors.ts";
import type { CreateConnection } from "./proxy.ts";

/** The same as options of Bun's WebSocket (https://bun.sh/docs/api/websockets). @throws AgentError relay_unreachable */
export async function bunWayTo(url: URL): Promise<{ tls: { rejectUnauthorized: true }; proxy?: string }> {
  const way: { tls: { rejectUnauthorized: true }; proxy?: string } = { tls: { rejectUnauthorized: true } };
  if (!namesProxy()) return way;
  const { proxyFor } = await import("./proxy.ts");
  const proxy = proxyFor(url, process.env);
  if (proxy instanceof Error) throw new AgentError("relay_unreachable", proxy.explanation.why, proxy.explanation);
  return proxy === undefined ? way : { ...way, proxy: proxy.url.href };
}

const VARIABLES = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];

/** How a request reaches a relay, as options of it. */
export interface Way {
  rejectUnauthorized: true;
  lookup?: LookupFunction;
  createConnection?: CreateConnection;
}

/**
 * By its proxy, if the environment names one; and never without a look at the certificate, whatever NODE_TLS_REJECT_UNAUTHORIZED
 * says. `signal` gives up what leads there.
 */
export async function wayTo(url: URL, signal: AbortSignal): Promise<Way> {
  const way: Way = { rejectUnauthorized: true, ...(url.hostname === "localhost" ? { lookup: lookUpLocalhost } : {}) };
  if (!namesProxy()) return way;
  const { throughProxy } = await import("./proxy.ts");
  const createConnection = throughProxy(url, process.env, signal);
  return createConnection === undefined ? way : { ...way, createConnection };
}

function namesProxy(): boolean {
  return VARIABLES.some((name) => (process.env[name] ?? "") !== "");
}

/** `localhost` is this machine, without asking anybody. (RFC 6761, section 6.3) */
const lookUpLocalhost: LookupFunction = (_name, { all }, done) => {
  if (all === true) {
    const both = [
      { address: "127.0.0.1", family: 4 },
      { address: "::1", family: 6 },
    ];
    done(null, both);
  } else done(null, "127.0.0.1", 4);
};
