import { AgentError } from "../errors.ts";
import { Connection } from "./connection.ts";

/** Why a relay cannot be reached, and what to do about it. */
export interface Explanation {
  /** Ends a sentence, e.g. `its certificate is not trusted (CERT_HAS_EXPIRED)`. */
  why: string;
  hint: string;
}

/** Finds out why no connection to a URL can be made; undefined if it does not know, either. Never throws. */
export type Explain = (url: URL, signal?: AbortSignal) => Promise<Explanation | undefined>;

/**
 * As {@link Connection.open}. A WebSocket does not say why it cannot connect: where the runtime has another way to find
 * out, the error does.
 * @throws AgentError relay_unreachable, aborted
 */
export async function connect(
  url: URL,
  onEvent: () => void,
  signal: AbortSignal | undefined,
  explain: Explain | undefined,
): Promise<Connection> {
  try {
    return await Connection.open(url, onEvent, signal);
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "relay_unreachable") throw error;
    const found = await explain?.(url, signal);
    if (found === undefined) throw error;
    const { why, hint } = found;
    throw new AgentError("relay_unreachable", `no relay answers at ${url.href}: ${why}`, { hint, cause: error });
  }
}
