/** How many of a group have a message, in words. */
import type { Recipients } from "@aimessage/sdk/node";

/** All whom a message is for, but for those who are gone. */
export function living({ received, waiting, failed }: Recipients): number {
  return received.length + waiting.length + failed.filter(({ state }) => state === "expired").length;
}
