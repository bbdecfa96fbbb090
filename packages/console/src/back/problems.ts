import { type Problem } from "./port.ts";

/** What the page is told of an error: the words of an agent's own, by name since it may be of another copy of the SDK. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Error && (error.name === "AgentError" || error.name === "BackError")) {
    const { code, message, hint } = error as Error & Problem;
    return { code, message, ...(hint === undefined ? {} : { hint }) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, hint: "this is a fault of aimessage: please report it" };
}
