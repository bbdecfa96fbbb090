/**
 * The proxies of the environment (HTTPS_PROXY for wss://, HTTP_PROXY for ws://, NO_PROXY), by CONNECT (RFC 9110, section 9.3.6), which
 * RFC 6455 (section 4.1) wants for both. Node's own agents know these variables, too, but send ws:// to the proxy as a request like
 * any other, of which most proxies drop the upgrade.
 */
import type { ClientRequest } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Explanation } from "../wire/connect.ts";
import { isLoopback } from "../protocol/index.ts";

/** A proxy that the environment names. Its URL may hold a password: it is never shown. */
interface Proxy {
  url: URL;
  variable: string;
}

/** Something between us and the relay does not let us through. */
export type ProxyError = Error & { explanation: Explanation };

function proxyError(why: string, hint: string, cause?: unknown): ProxyError {
  return Object.assign(new Error(why, { cause }), { explanation: { why, hint } });
}

/** A socket that is being made, as `http.request` and `ws` ask for it. */
export type CreateConnection = (options: object, done: (error: Error | null, socket: Socket) => void) => void;

type Environment = Readonly<Record<string, string | undefined>>;

/** How a URL is reached by way of its proxy; undefined if it has none. It fails with a {@link ProxyError}. `signal` gives it up. */
export function throughProxy(url: URL, env: Environment, signal: AbortSignal): CreateConnection | undefined {
  const proxy = proxyFor(url, env);
  if (proxy === undefined) return undefined;
  if (proxy instanceof Error) return (_options, done) => done(proxy, undefined as never);
  const name = `the proxy ${proxy.url.host} (${proxy.variable})`;
  const target = `${url.hostname}:${portOf(url)}`;
  return (_options, done) => {
    const fail = (why: string, hint: string, cause?: unknown) =>
      // By that alone a caller knows that there is no socket.
      done(proxyError(`${name} ${why}`, hint, cause), undefined as never);
    const unusable = (error: NodeJS.ErrnoException) =>
      fail(
        `cannot be used (${error.code ?? error.message})`,
        `check ${proxy.variable}; NO_PROXY=HOST goes past it`,
        error,
      );
    void ask(proxy.url, target, signal).then((asking) => {
      asking.on("connect", ({ statusCode = 0 }, socket, head) => {
        if (statusCode < 200 || statusCode > 299) {
          socket.destroy();
          return fail(...refusal(statusCode, target, proxy.variable));
        }
        if (head.length > 0) socket.unshift(head);
        done(null, url.protocol === "wss:" ? secure(socket, bare(url.hostname)) : socket);
      });
      asking.on("error", unusable);
    }, unusable);
  };
}

function refusal(status: number, target: string, variable: string): [why: string, hint: string] {
  if (status === 407)
    return [`wants a login (HTTP 407)`, `give it in the environment: ${variable}=http://USER:PASSWORD@HOST:PORT`];
  if (status >= 500)
    return [`cannot reach ${target} (HTTP ${status})`, "check the server URL, and that the relay runs"];
  return [`does not let through to ${target} (HTTP ${status})`, "ask its operator, or go past it by NO_PROXY=HOST"];
}

/** Begins to ask a proxy for a way to `target`. */
async function ask(proxy: URL, target: string, signal: AbortSignal): Promise<ClientRequest> {
  const { request } = await (proxy.protocol === "https:" ? import("node:https") : import("node:http"));
  const { username, password } = proxy;
  const login = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64");
  const asking = request({
    host: bare(proxy.hostname),
    port: portOf(proxy),
    method: "CONNECT",
    path: target,
    headers: { host: target, ...(username === "" ? {} : { "proxy-authorization": `Basic ${login}` }) },
    agent: false,
    rejectUnauthorized: true,
    signal,
  });
  asking.end();
  return asking;
}

/** A part of a URL as it is meant. A percent sign that begins no escape stands for itself, as with curl. */
function decoded(part: string): string {
  return part.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** TLS with the relay, inside the tunnel. */
function secure(socket: Socket, host: string): Socket {
  return connectTls({ socket, host, servername: isIP(host) === 0 ? host : "", rejectUnauthorized: true });
}

/** The proxy for a URL. Loopback has none: it would be the proxy's own. */
export function proxyFor(url: URL, env: Environment): Proxy | ProxyError | undefined {
  const name = url.protocol === "wss:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  // Both spellings are in use; of two values the one in lower case counts, as with curl and Node.
  const variable = isSet(env[name.toLowerCase()]) ? name.toLowerCase() : name;
  const value = env[variable];
  if (!isSet(value) || isLoopback(url.hostname) || isExcepted(url, env["no_proxy"] || env["NO_PROXY"] || ""))
    return undefined;
  const text = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy === undefined || !["http:", "https:"].includes(proxy.protocol) || proxy.hostname === "")
    return proxyError(`${variable} is no URL of a proxy that can be used`, "give it as http://HOST:PORT, or unset it");
  return { url: proxy, variable };
}

/** An IPv6 address without its brackets; any other host as it is. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function portOf({ protocol, port }: URL): string {
  if (port !== "") return port;
  return protocol === "wss:" || protocol === "https:" ? "443" : "80";
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

/** Whether NO_PROXY names a host: `*`, a name (with what is below it), an address or a network, each with a port or without. */
function isExcepted(url: URL, list: string): boolean {
  const host = bare(url.hostname);
  const port = portOf(url);
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, bracketed, plain, itsPort] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(entry) ?? [];
      if (itsPort !== undefined && itsPort !== port) return false;
      const named = bare(bracketed ?? plain ?? entry).replace(/^\*?\./, "");
      if (named === "") return false;
      return isIP(host) === 0 ? host === named || host.endsWith(`.${named}`) : isWithin(host, named);
    });
}

function isWithin(address: string, network: string): boolean {
  const [base = "", bits] = network.split("/");
  if (isIP(base) === 0 || isIP(base) !== isIP(address)) return false;
  const family = isIP(base) === 6 ? "ipv6" : "ipv4";
  const all = family === "ipv6" ? 128 : 32;
  const length = bits === undefined ? all : Number(bits);
  if (!Number.isInteger(length) || length < 0 || length > all) return false;
  const within = new BlockList();
  within.addSubnet(base, length, family);
  return within.check(address, family);
}
