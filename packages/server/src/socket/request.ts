/** What an HTTP request says of whom it comes from, and what for. */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { isLoopback, relayName } from "@aimessage/sdk/protocol";

const FORWARDING = new Set(["forwarded", "via", "x-real-ip"]);

/**
 * Whether a program of this machine asks for what is here: the socket comes from here, the name that it knows is that of this
 * machine (a web page can point its own name here by DNS rebinding), and no proxy has passed it on.
 */
export function isOfThisMachine({ socket, headers }: IncomingMessage): boolean {
  const { host = "" } = headers;
  return (
    isLoopback(socket.remoteAddress ?? "") &&
    URL.canParse(`http://${host}`) &&
    isLoopback(new URL(`http://${host}`).hostname) &&
    !Object.keys(headers).some((name) => FORWARDING.has(name) || name.startsWith("x-forwarded-"))
  );
}

export function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?", 1)[0] ?? "/";
}

/** The original's README uses both. [P-1.1] */
export function isSocketPath(path: string): boolean {
  return path === "/ws" || path === "/";
}

/**
 * Whether a web page may connect: programs send no origin; pages of the relay's own names and of the configured origins
 * may. Never judged by the Host header, which a page can point here by DNS rebinding. [P-1.4]
 */
export function originAllowed(origin: string | undefined, origins: string[], names: string[]): boolean {
  if (origin === undefined || origins.includes(origin)) return true;
  return URL.canParse(origin) && names.includes(relayName(new URL(origin)));
}

/**
 * Whom limits for each address count: the socket's address, or the one that a trusted proxy has added. Of an IPv6 address the
 * first 64 bits: one customer has all the others (RFC 6177).
 */
export function addressOf(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = trustProxy ? request.headers["x-forwarded-for"] : undefined;
  const last = withoutPort((Array.isArray(forwarded) ? forwarded.join(",") : forwarded)?.split(",").at(-1) ?? "");
  return countedAddress(isIP(last) === 0 ? (request.socket.remoteAddress ?? "") : last);
}

/** An address as limits count it. */
export function countedAddress(address: string): string {
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return isIP(mapped) === 6 ? network(mapped) : mapped;
}

/** Whom an address counts for where all share something: itself, and of IPv6 the 48 bits that one customer has at most, too (RFC 6177). */
export function networksOf(counted: string): string[] {
  const [first, second, third, fourth] = counted.split(":", 4);
  return fourth === undefined ? [counted] : [counted, `${first}:${second}:${third}::/48`];
}

/** Some proxies write `10.0.0.1:5000`, and `[2001:db8::1]:5000`. */
function withoutPort(address: string): string {
  const [, bracketed, plain] = /^\[([^\]]*)\](?::\d+)?$|^([^:]*):\d+$/.exec(address.trim()) ?? [];
  return bracketed ?? plain ?? address.trim();
}

function network(address: string): string {
  const [head = "", tail] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  if (tail !== undefined) while (groups.length + after.length < 8) groups.push("0");
  return `${[...groups, ...after].slice(0, 4).join(":").toLowerCase()}::/64`;
}
