/** How many of a group have a message, in words. */
import type { Recipients } from "@aimessage/sdk/node";
import { someOf } from "./names.ts";

/** All whom a message is for, but for those who are gone. */
export function living({ received, waiting, failed }: Recipients): number {
  return received.length + waiting.length + failed.filter(({ state }) => state === "expired").length;
}

/** Names in a line. */
const SAID = 8;

/** `handled by bob; not by carol, dave`. Undefined while the message is for nobody. */
export function howFar({ received, handled, failed, waiting }: Recipients): string | undefined {
  const ended = new Set([...handled, ...failed.map(({ name }) => name)]);
  const parts = [
    ["handled by", handled],
    ["received and not handled by", received.filter((name) => !ended.has(name))],
    ["no word yet from", waiting],
    ["failed at", failed.map(({ name }) => name)],
  ] as const;
  const said = parts.flatMap(([what, names]) => (names.length === 0 ? [] : [`${what} ${someOf(names, SAID)}`]));
  return said.length === 0 ? undefined : said.join(", ");
}
