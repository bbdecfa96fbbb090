import type { Explanation } from "../wire/connect.ts";
import type { ProxyError } from "./proxy.ts";
import { wayTo } from "./way.ts";

/** Who does not answer within this is not waited for. Milliseconds. */
const PROBE_MS = 3_000;

/** What asks for a WebSocket (RFC 6455, section 4.1); the key is of no use, since the connection is not kept. */
const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
};

/** Finds out why no WebSocket can be opened at a URL, by asking for one in plain HTTP. Never throws. */
export async function explainUnreachable(
  url: URL,
  signal?: AbortSignal,
  patience = PROBE_MS,
): Promise<Explanation | undefined> {
  const found = await probe(url, signal, patience).catch(() => undefined);
  if (typeof found === "number") return explainStatus(found);
  return typeof found === "string" ? explainCode(found, url) : found;
}

/** The HTTP status of the answer, or the system's word for why there is none, or what is known already; undefined if it is none. */
async function probe(
  url: URL,
  asked: AbortSignal | undefined,
  patience: number,
): Promise<number | string | Explanation | undefined> {
  const silence = AbortSignal.timeout(patience);
  const signal = asked === undefined ? silence : AbortSignal.any([silence, asked]);
  const way = await wayTo(url, signal);
  const { request } = await (url.protocol === "wss:" ? import("node:https") : import("node:http"));
  return new Promise((resolve) => {
    let connected = false;
    const asking = request(new URL(url.href.replace(/^ws/, "http")), {
      headers: UPGRADE,
      // Without an agent of its own only where there is another way.
      ...(way.createConnection === undefined ? { agent: false } : {}),
      ...(way as object),
      signal,
    });
    const end = (found: number | string | Explanation | undefined) => {
      resolve(found);
      asking.destroy();
    };
    asking.on("upgrade", () => end(undefined));
    asking.on("response", ({ statusCode }) => end(statusCode));
    asking.on("socket", (socket) => {
      if (socket.connecting) socket.once("connect", () => (connected = true));
      else connected = true;
    });
    asking.on("error", (error: NodeJS.ErrnoException & Partial<ProxyError>) => {
      if (silence.aborted && asked?.aborted !== true) end(connected ? SILENT : DROPPED);
      else end(error.explanation ?? error.code);
    });
    asking.end();
  });
}

function explainStatus(status: number): Explanation | undefined {
  if (status === 429 || status === 503)
    return { why: `it takes no more connections just now (${status})`, hint: "try again in a moment" };
  if (status >= 500)
    return { why: `a server answers, and cannot reach the relay (HTTP ${status})`, hint: "check that the relay runs" };
  if (status >= 300 && status < 400)
    return {
      why: `it sends callers elsewhere (HTTP ${status})`,
      hint: "use its final address; with TLS that is wss://",
    };
  if (status === UPGRADE_REQUIRED)
    return {
      why: `a proxy in front of it drops the WebSocket upgrade (HTTP ${status})`,
      hint: "have it pass the upgrade on; nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
    };
  if (status === 401 || status === 403 || status === 407)
    return {
      why: `what answers there lets us not in (HTTP ${status})`,
      hint: "it is a proxy or a firewall, and no relay: ask its operator",
    };
  return {
    why: `what answers there is no relay (HTTP ${status})`,
    hint: "check host, port and path of the server URL; a relay's path is /ws unless a proxy has another",
  };
}

/** A relay's answer to a request that came without its upgrade. [P-1.1] */
const UPGRADE_REQUIRED = 426;

const DROPPED: Explanation = {
  why: "nothing comes back (time-out)",
  hint: "check the address, and whether a firewall on the way drops what is sent there",
};
const SILENT: Explanation = {
  why: "it takes the connection and says nothing (time-out)",
  hint: "check the port, and that the relay, or a proxy before it, is not stuck",
};

const REFUSED: Explanation = {
  why: "nothing listens there (ECONNREFUSED)",
  hint: "check the port, and that the relay runs",
};

/** A word to whoever has turned the check off, which agents do all the same. */
function unchecked(): string {
  return process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0" ? "; NODE_TLS_REJECT_UNAUTHORIZED=0 is not followed" : "";
}

function explainCode(code: string, { protocol, hostname }: URL): Explanation | undefined {
  const secure = protocol === "wss:";
  const name = hostname.replace(/^\[|\]$/g, "");
  switch (code) {
    // Our own time is up, or nobody waits any more.
    case "ABORT_ERR":
      return undefined;
    case "ECONNREFUSED":
      return REFUSED;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        why: `the name ${name} is not known (${code})`,
        hint: "check the spelling of the host, and the network",
      };
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return { why: `there is no way to ${name} (${code})`, hint: "check the network, and a firewall if there is one" };
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return { why: `its certificate is not for ${name} (${code})`, hint: "use a name that its certificate has" };
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return {
        why: `its certificate is not valid now (${code})`,
        hint: "check the clock; else its operator must renew it",
      };
    case "EPROTO":
      return secure
        ? { why: `it does not speak TLS (${code})`, hint: "if it is a relay without TLS, its URL begins with ws://" }
        : undefined;
    case "ECONNRESET":
      return secure
        ? { why: `it ends the connection (${code})`, hint: "check the port, and that the relay runs" }
        : {
            why: `it ends the connection without an answer (${code})`,
            hint: "if it is a relay with TLS, its URL begins with wss://",
          };
    default:
      // What else may be wrong with a certificate has many names. (OpenSSL, x509_vfy.h)
      return secure && /CERT|SIGNATURE|ISSUER|^CRL_/.test(code)
        ? {
            why: `its certificate is not trusted (${code})`,
            hint: `if it is of a private authority, name that in the environment: NODE_EXTRA_CA_CERTS=authority.pem${unchecked()}`,
          }
        : { why: `the connection fails (${code})`, hint: "check the server URL, and that the relay runs" };
  }
}
