/** Whether an answer to a request for a file is the relay's. */
import { AgentError } from "../errors.ts";
import type { HttpAnswer } from "./host.ts";

type Head = Pick<HttpAnswer, "status" | "headers">;

/** A proxy that does not pass files on, or the page by which a network asks to log in, knows nothing of a file, whatever it answers. [P-14.3] */
export function isOfRelay({ headers }: Pick<Head, "headers">): boolean {
  return headers["tus-resumable"] !== undefined;
}

/** What is asked for again, since its answer says nothing of the file. */
export function notNow(answer: Head, reason?: string): AgentError {
  const { status, headers } = answer;
  const after = Number(headers["retry-after"]);
  const more = { retryAfterMs: Number.isFinite(after) ? after * 1000 : undefined };
  if (isOfRelay(answer))
    return new AgentError("relay_unreachable", `the relay answered ${status}`, { reason, ...more });
  // Whoever is overloaded, or waits for the relay in vain, may say so in its place.
  const isForNow = status === 429 || status >= 500;
  return new AgentError("relay_unreachable", `something on the way to the relay answered ${status} for a file`, {
    reason: isForNow ? undefined : "not_the_relay",
    hint: "a proxy has to pass /blobs/ on to the relay, and a network may ask to log in first",
    ...more,
  });
}
