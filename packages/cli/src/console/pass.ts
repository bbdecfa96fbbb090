/** Who may ask: whoever has shown a code that only the owner can read, and a page that came from here. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/**
 * Codes and tokens of the console. A code stands in a file that only its owner may read, is of use once, and is given for a token, which the page
 * keeps for as long as its tab is open. No cookie: one would go to every port of this machine.
 */
export class Pass {
  readonly #tokens = new Set<string>();
  #code = newSecret();

  /** The code that is of use now. */
  get code(): string {
    return this.#code;
  }

  /** @returns a token, once for each code; undefined for any other */
  exchange(code: string): string | undefined {
    if (!isSame(code, this.#code)) return undefined;
    this.#code = newSecret();
    const token = newSecret();
    this.#tokens.add(digest(token));
    return token;
  }

  /** Whether a request has a token, as `Bearer TOKEN`. */
  has({ headers: { authorization = "" } }: IncomingMessage): boolean {
    const [, token = ""] = /^Bearer ([\w-]+)$/.exec(authorization) ?? [];
    return this.#tokens.has(digest(token));
  }
}

/**
 * Whether a request, which names one of our hosts, was made by a page of that: by the names that browsers let no page choose. Without it a page of
 * another site could ask in its reader's name.
 */
export function isOurs({ headers, method }: IncomingMessage): boolean {
  if (headers["sec-fetch-site"] !== undefined && headers["sec-fetch-site"] !== "same-origin") return false;
  // Browsers leave it out of what only reads, and say it of all else.
  return headers.origin === `http://${headers.host}` || (headers.origin === undefined && method === "GET");
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(digest(one)), Buffer.from(digest(other)));
}

/** By this they are compared, so that how long that takes says nothing of them. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
