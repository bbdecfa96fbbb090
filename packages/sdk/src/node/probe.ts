import type { Explanation } from "../client/connect.ts";

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
export async function explainUnreachable(url: URL, signal?: AbortSignal): Promise<Explanation | undefined> {
  const found = await probe(url, signal).catch(() => undefined);
  if (found === undefined) return undefined;
  return typeof found === "number" ? explainStatus(found) : explainCode(found, url);
}

/** The HTTP status of the answer, or the system's word for why there is none; undefined if it is neither. */
async function probe(url: URL, signal: AbortSignal | undefined): Promise<number | string | undefined> {
  const { request } = await (url.protocol === "wss:" ? import("node:https") : import("node:http"));
  return new Promise((resolve) => {
    const timeOut = AbortSignal.timeout(PROBE_MS);
    const asking = request(new URL(url.href.replace(/^ws/, "http")), {
      headers: UPGRADE,
      agent: false,
      signal: signal === undefined ? timeOut : AbortSignal.any([timeOut, signal]),
    });
    const end = (found: number | string | undefined) => {
      resolve(found);
      asking.destroy();
    };
    asking.on("upgrade", () => end(undefined));
    asking.on("response", ({ statusCode }) => end(statusCode));
    asking.on("error", ({ code }: NodeJS.ErrnoException) => end(code));
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
  return {
    why: `what answers there is no relay (HTTP ${status})`,
    hint: "check host, port and path of the server URL; a relay's path is /ws unless a proxy has another",
  };
}

const REFUSED: Explanation = {
  why: "nothing listens there (ECONNREFUSED)",
  hint: "check the port, and that the relay runs",
};

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
            hint: "if it is of a private authority, name that in the environment: NODE_EXTRA_CA_CERTS=authority.pem",
          }
        : { why: `the connection fails (${code})`, hint: "check the server URL, and that the relay runs" };
  }
}
