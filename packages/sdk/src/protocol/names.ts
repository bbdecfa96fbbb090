import * as z from "zod/mini";
import { usernameKey } from "./username-key.ts";

/** A username as it was registered: 3 to 32 of `A-Za-z0-9_-`. Shown as it is; compared by {@link usernameKey}. */
export const Username = z.string().check(z.regex(/^[A-Za-z0-9_-]{3,32}$/));

/** An id that a client chooses (message, commit, device): 1 to 64 of `A-Za-z0-9_-`. */
export const Id = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/));

/** What lets a new name register at a relay that takes names by invite alone: 1 to 128 of `A-Za-z0-9_-`. [P-3.8] */
export const Invite = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,128}$/));

// Device names of Windows: no file or folder can be called so there, and every agent has a folder.
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/;

/**
 * Why our own `register` refuses a username that the protocol allows, or undefined. A leading dash reads as an option on
 * a command line; Windows reserves some names.
 */
export function usernameObjection(username: string): string | undefined {
  if (username.startsWith("-")) return "a username may not begin with a dash";
  if (RESERVED.test(usernameKey(username))) return "Windows reserves this name";
  return undefined;
}

/** A random id: the 122 random bits of a UUID (RFC 9562, section 5.4), in the alphabet of {@link Id}. Platforms draw them in stock. */
export function randomId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/**
 * The name by which a client knows a relay: host and non-default port of its URL, in lower case. It is signed at login,
 * so that another relay cannot pass our challenge on to it.
 */
export function relayName(url: URL): string {
  const defaultPort = url.protocol === "wss:" || url.protocol === "https:" ? "443" : "80";
  const port = url.port === "" || url.port === defaultPort ? "" : `:${url.port}`;
  return url.hostname.toLowerCase() + port;
}
