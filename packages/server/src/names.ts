import { relayName } from "@aimessage/sdk/protocol";
import { type Config, isLoopback } from "./config.ts";

/** The names by which clients may know this relay, as they sign them at login. [P-4.3] */
export function relayNames(config: Config, port: number): string[] {
  const scheme = config.tls === undefined ? "ws" : "wss";
  const urls = config.publicUrls.length > 0 ? config.publicUrls : ownUrls(config, scheme, port);
  return [...new Set(urls.map((url) => relayName(new URL(url))))];
}

/** The URL to show: localhost if the relay listens there. */
export function ownUrl(config: Config, port: number): string {
  return `${config.tls === undefined ? "ws" : "wss"}://${shownHost(config.host)}:${port}/ws`;
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
