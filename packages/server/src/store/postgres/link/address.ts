import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { errorText } from "./link-error.ts";

/** One place at which the engine may be: a name, an IP address, or a folder with a Unix socket. */
export interface Host {
  host: string;
  port: number;
  /** False: without TLS. */
  tls: false | ConnectionOptions;
}

/** Where the engine is, and as whom it is spoken to. Holds no password that could be printed. */
export interface Address {
  /** In the order in which they are tried; what is stored at is the one that is not in recovery. */
  hosts: Host[];
  user: string;
  database: string;
  /** What stands in the URL, undefined if nothing does. */
  password: () => string | undefined;
}

/** A connection string says something that cannot be done. The message never has the password. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

const FORM = "postgres://user@host:port,host:port/database";
const DEFAULT_PORT = 5432;
/** All of them verify here; the engine's own `require` and `verify-ca` would not look at the name. */
const VERIFIED = new Set(["require", "verify-ca", "verify-full"]);
const PARAMETERS = ["sslmode", "sslrootcert", "host", "port"];

/**
 * Reads `postgres://user@host1:port,host2:port/database?sslmode=verify-full&sslrootcert=FILE`, or `?host=/run/postgresql` for a
 * Unix socket. Off loopback TLS is used and verified, unless `sslmode=disable` says otherwise.
 * @throws AddressError
 */
export function parseAddress(url: string): Address {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (parts === null) throw new AddressError(`The store's address is not of the form ${FORM}`);
  const [, login = "", places = "", path = "", query = ""] = parts;
  const [user = "", ...rest] = login.split(":");
  const database = decode(path, "database");
  if (user === "") throw new AddressError(`The store's address names no user: ${FORM}`);
  if (database === "") throw new AddressError(`The store's address names no database: ${FORM}`);
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys())
    if (!PARAMETERS.includes(name))
      throw new AddressError(`The store's address has a parameter ${name}: there are ${PARAMETERS.join(", ")}`);
  const password = rest.length === 0 ? undefined : decode(rest.join(":"), "password");
  const tls = tlsOf(parameters.get("sslmode") ?? undefined, parameters.get("sslrootcert") ?? undefined);
  return {
    hosts: placesOf(places, parameters).map(({ host, port }) => ({ host, port, tls: tls(host) })),
    user: decode(user, "user"),
    database,
    password: () => password,
  };
}

/** Whether what is said to a host stays on this machine. */
function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function placesOf(places: string, parameters: URLSearchParams): { host: string; port: number }[] {
  if (places !== "" && parameters.has("host"))
    throw new AddressError("The store's address names its host twice, before the database and as host=");
  const all = places === "" ? (parameters.get("host") ?? "") : places;
  return all.split(",").map((place) => {
    // An IPv6 address stands in brackets, since it has colons of its own.
    const [, inBrackets, plain = "", given] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]*))(?::(\d+))?$/.exec(place) ?? [];
    const host = inBrackets ?? decode(plain, "host");
    if (host === "") throw new AddressError(`The store's address names no host, or one that cannot be read: ${FORM}`);
    const port = Number(given ?? parameters.get("port") ?? DEFAULT_PORT);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new AddressError(`The store's address names a port that there is not, for the host ${host}`);
    return { host, port };
  });
}

function tlsOf(mode: string | undefined, authority: string | undefined): (host: string) => Host["tls"] {
  if (mode !== undefined && mode !== "disable" && !VERIFIED.has(mode))
    throw new AddressError(`sslmode=${mode} may go without TLS: say verify-full, or disable`);
  if (mode === "disable") return () => false;
  const options = { rejectUnauthorized: true, ...(authority === undefined ? {} : { ca: certificates(authority) }) };
  return (host) => (host.startsWith("/") || (mode === undefined && isLocal(host)) ? false : options);
}

function certificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new AddressError(`sslrootcert cannot be read: ${errorText(error)}`, { cause: error });
  }
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AddressError(`The store's address has a % in its ${what} that encodes nothing: write it as %25`);
  }
}
