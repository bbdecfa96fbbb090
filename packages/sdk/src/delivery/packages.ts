/**
 * Key packages that we have claimed. The relay gives us the same one again until it has seen a group that was opened by it, and its owner
 * opens one: what we want of somebody at the same time, in two groups, goes one after the other.
 */
import { type RelayFrameData, usernameKey } from "../protocol/index.ts";
import type { Turn } from "../turn/turn.ts";
import type { Flight } from "./flight.ts";

type Keys = RelayFrameData<"keys">;

/** How long what finds a package in use waits until it is asked for again: a commit is answered by then. Milliseconds. */
export const IN_USE_MS = 100;
/** Of a package's base64: its signature, by which it is told from all others. */
const TAIL = 88;

function nameOf({ key_package }: Keys): string {
  return key_package.slice(-TAIL);
}

/** Whether another group of ours is opened by this package, or by one of its owner that is not answered yet. */
export function isInUse(turn: Turn, flight: Flight, keys: Keys): boolean {
  if (keys.last_resort) return false;
  const welcome = `{"to":"${usernameKey(keys.username)}"`;
  const isWelcomed = [...turn.cache.commits.values()].some(({ frame }) => frame.includes(welcome));
  return isWelcomed || flight.packages.has(nameOf(keys));
}

/** These open a group whose commit leaves with this turn. */
export function use(flight: Flight, group: string, packages: Keys[]): void {
  for (const keys of packages) flight.packages.set(nameOf(keys), group);
}

/** A commit was not admitted: the relay gives the packages again that it was made of. */
export function unuse(flight: Flight, group: string): void {
  for (const [name, used] of flight.packages) if (used === group) flight.packages.delete(name);
}

/**
 * At the end of a turn: the relay has taken the commits that are not under way any more, and gives other packages to whoever claims now. Those that
 * were claimed before and are kept for a later commit may be the same.
 */
export async function forgetTaken(turn: Turn, flight: Flight): Promise<void> {
  if (flight.packages.size === 0 || (await turn.tx.list({ prefix: "op-keys/", limit: 1 })).length > 0) return;
  for (const [name, group] of flight.packages) if (!turn.cache.commits.has(group)) flight.packages.delete(name);
}
