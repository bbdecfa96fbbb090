import type { Request } from "@aimessage/sdk/node";

/** A request as JSON. Times are Unix milliseconds. */
export function requestJson({ username, fingerprint, messages, firstAt, lastAt }: Request) {
  return { username, fingerprint, messages, first_at: firstAt, last_at: lastAt };
}
