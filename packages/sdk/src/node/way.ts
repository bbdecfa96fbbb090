import type { LookupFunction } from "node:net";
import type { CreateConnection } from "./proxy.ts";

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
  if (VARIABLES.every((name) => (process.env[name] ?? "") === "")) return way;
  const { throughProxy } = await import("./proxy.ts");
  const createConnection = throughProxy(url, process.env, signal);
  return createConnection === undefined ? way : { ...way, createConnection };
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
