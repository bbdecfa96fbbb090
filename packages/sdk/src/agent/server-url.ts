import { AgentError } from "../errors.ts";
import { isLoopback } from "../protocol/index.ts";

/**
 * The URL of a relay's WebSocket from what people type: `ws(s)://` or `http(s)://`, with or without `/ws`.
 * @throws AgentError bad_server, or insecure_server for `ws://` beyond loopback unless `insecure`
 */
export function serverUrl(typed: string, insecure: boolean): URL {
  let url: URL;
  try {
    url = new URL(typed);
  } catch {
    throw badServer(typed);
  }
  if (url.protocol === "http:" || url.protocol === "https:") url = new URL(typed.replace(/^http/i, "ws"));
  if (!["ws:", "wss:"].includes(url.protocol) || url.hostname === "") throw badServer(typed);
  if (url.username !== "" || url.password !== "" || url.hash !== "" || url.search !== "") throw badServer(typed);
  if (url.pathname === "/" || url.pathname === "") url.pathname = "/ws";
  if (url.protocol === "ws:" && !isLoopback(url.hostname) && !insecure)
    throw new AgentError("insecure_server", `${url.origin} is not encrypted, and not on this machine`, {
      hint: "use wss://, or --insecure if somebody else may take over your login and see who writes to whom",
    });
  return url;
}

function badServer(typed: string): AgentError {
  return new AgentError("bad_server", `"${typed}" is no URL of a relay`, {
    hint: "give it as ws://localhost:8080/ws or wss://HOST/ws",
  });
}
