import { isLoopback, relayName } from "@aimessage/sdk/protocol";
import type { Config } from "./config.ts";

/** The names by which clients may know this relay, as they sign them at login. [P-4.3] */
export function relayNames(config: Config, port: number): string[] {
  const scheme = config.tls === undefined ? "ws" : "wss";
  const urls = config.publicUrls.length > 0 ? config.publicUrls : ownUrls(config, scheme, port);
  return [...new Set(urls.map((url) => relayName(new URL(url))))];
}

/** The URLs to show: those by which agents know the relay, as they connect to them. */
export function shownUrls(config: Config, port: number): string[] {
  if (config.publicUrls.length === 0) return [ownUrl(config, port)];
  return config.publicUrls.map((text) => {
    const url = new URL(text.replace(/^http/i, "ws"));
    if (url.pathname === "/") url.pathname = "/ws";
    return url.href;
  });
}

/** Names in a hint: a client reads no longer one than 1024 characters, and a name may have 255. */
const NAMED = 3;

/** What tells a client that has come by a wrong name which ones are right. [P-4.3] */
export function namesHint(names: readonly string[]): string {
  const known = [...names.slice(0, NAMED), ...(names.length > NAMED ? ["..."] : [])].join(", ");
  return `connect by a name that it knows (${known}), or have its operator add --public-url`;
}

/** The URL at which it listens: localhost if that is there. */
export function ownUrl(config: Config, port: number): string {
  return `${config.tls === undefined ? "ws" : "wss"}://${shownHost(config.host)}:${port}/ws`;
}

/** Where `/metrics` has a port of its own. */
export function metricsUrl({ host }: { host: string }, port: number): string {
  return `http://${shownHost(host)}:${port}/metrics`;
}

function ownUrls({ host }: Config, scheme: string, port: number): string[] {
  const hosts = ["localhost", "127.0.0.1", "[::1]"];
  if (!isLoopback(host) && !isWildcard(host)) hosts.push(bracketed(host));
  return hosts.map((name) => `${scheme}://${name}:${port}`);
}

export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function shownHost(host: string): string {
  return isLoopback(host) || isWildcard(host) ? "localhost" : bracketed(host);
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
