/** How long a pairing is waited for, and what is said where nobody waits any more: it goes on by itself. */
import type { Wait } from "@aimessage/sdk/node";
import type { Call } from "../call.ts";
import { isAgentError } from "../errors.ts";
import { isAborted } from "./lines.ts";

/** Whoever waits for a pairing. */
export interface Patient {
  /** Milliseconds. */
  timeout: number;
}

export function waitOf({ context }: Call, { timeout }: Patient): Wait {
  return { timeout, signal: context.interrupted };
}

const OWN = {
  said: "the line stays good until it was used or its hour is over",
  hint: "aimessage pair --resume goes on; aimessage pair --withdraw ends it",
};

/** What was interrupted, or has run out of time, goes on, and says how. */
export async function resumable(error: unknown): Promise<never> {
  throw await stopped(error, OWN);
}

/** The same on the side that has used a line of `username`'s: it has none to withdraw. */
export function resumableUse(username: string): (error: unknown) => Promise<never> {
  const said = `the line was used, and ${username} answers it all the same`;
  return async (error) => {
    throw await stopped(error, { said, hint: "aimessage pair --resume says how it has ended" });
  };
}

async function stopped(error: unknown, { said, hint }: typeof OWN): Promise<unknown> {
  const isOverdue = isAgentError(error) && error.code === "timeout";
  if (!isOverdue && !isAborted(error)) return error;
  const { AgentError } = await import("@aimessage/sdk/node");
  const why = isOverdue ? error.message : "stopped waiting";
  return new AgentError(isOverdue ? "timeout" : "aborted", `${why}; ${said}`, { hint, cause: error });
}
