import type { AgentError } from "../errors.ts";
import type { Link } from "../link/link.ts";

/** How it stands between this process and the relay. */
export interface LinkEvent {
  state: "connected" | "reconnecting" | "waiting";
  detail: string;
  /** Of `reconnecting`: why. Not always the relay: a full disk keeps from it, too. */
  error?: AgentError;
}

/** Calls `listener` with each change, until what is returned is called. */
export function followLink(link: Link, server: string, listener: (event: LinkEvent) => void): () => void {
  return link.onState(() => {
    const { state } = link;
    if (state.state === "connected") listener({ state: "connected", detail: server });
    else if (state.state === "unreachable")
      listener({ state: "reconnecting", detail: state.error.message, error: state.error });
    else if (state.state === "waiting") listener({ state: "waiting", detail: "another process holds the link" });
  });
}
