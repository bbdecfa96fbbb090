import { AgentError } from "../errors.ts";
import { Connection, type Socket } from "./connection.ts";

/** Why a relay cannot be reached, and what to do about it. */
export interface Explanation {
  /** Ends a sentence, e.g. `its certificate is not trusted (CERT_HAS_EXPIRED)`. */
  why: string;
  hint: string;
}

/** How a runtime reaches a relay. */
export interface Transport {
  /** Begins to open a WebSocket; resolves in the turn of the event loop in which it is made, before any of its events. */
  dial: (url: URL) => Socket | Promise<Socket>;
  /** Finds out why no connection to a URL can be made; undefined if it does not know, either. Never throws. */
  explain?: (url: URL, signal?: AbortSignal) => Promise<Explanation | undefined>;
}

/** What every runtime has. */
export const webTransport: Transport = { dial: (url) => new WebSocket(url) };

/**
 * Opens a connection. A WebSocket does not say why it cannot connect: where the runtime has another way to find out, the
 * error does.
 * @throws AgentError relay_unreachable, aborted
 */
export async function connect(
  transport: Transport,
  url: URL,
  onEvent: () => void,
  signal?: AbortSignal,
): Promise<Connection> {
  try {
    return await Connection.over(await transport.dial(url), url, onEvent, signal);
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "relay_unreachable") throw error;
    const found = await transport.explain?.(url, signal);
    if (signal?.aborted === true) throw new AgentError("aborted", "aborted while connecting", { cause: error });
    if (found === undefined) throw error;
    const { why, hint } = found;
    throw new AgentError("relay_unreachable", `no relay answers at ${url.href}: ${why}`, { hint, cause: error });
  }
}
