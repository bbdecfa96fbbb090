import type { Context } from "./context.ts";

/** Whether a person types at a terminal: no program that reads messages, and nothing that one has started. */
export function isByPerson({ stdin, env }: Context): boolean {
  return stdin.isTTY === true && env["AIMESSAGE_ID"] === undefined;
}

/** A message's origin, for the guards against loops and for consent. */
export function senderOf(context: Context): { byPerson?: true; cause?: string } {
  const cause = context.env["AIMESSAGE_ID"];
  return { ...(isByPerson(context) ? { byPerson: true } : {}), ...(cause === undefined ? {} : { cause }) };
}
