import type { BadFrame, ClientFrame, ClientFrameType } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { type Answer, refuse, type Session } from "./session.ts";
import { authenticate } from "./authenticate.ts";
import { blob, blobDelete } from "./blob.ts";
import { claimKeys } from "./claim-keys.ts";
import { commit } from "./commit.ts";
import { groups } from "./groups.ts";
import { heartbeat } from "./heartbeat.ts";
import { invalidData } from "./invalid-data.ts";
import { info } from "./info.ts";
import { keyExchange } from "./key-exchange.ts";
import { listUsers } from "./list-users.ts";
import { listen } from "./listen.ts";
import { lookup } from "./lookup.ts";
import { peers } from "./peers.ts";
import { publishKeys } from "./publish-keys.ts";
import { received } from "./received.ts";
import { register } from "./register.ts";
import { send } from "./send.ts";
import { statement } from "./statement.ts";
import { unregister } from "./unregister.ts";

const beforeLogin = new Set<string>(["register", "authenticate", "heartbeat", "info"]);
const alone = new Set<string | undefined>([
  "register",
  "authenticate",
  "listen",
  "unregister",
] satisfies ClientFrameType[]);

/** Whether a frame changes what its connection is, so that no other may be on its way meanwhile. */
export function runsAlone(type: string | undefined): boolean {
  return alone.has(type);
}

/** Finds the handler of a frame: one file for each type. */
export function handle(context: Context, session: Session, frame: ClientFrame): Answer | Promise<Answer> {
  switch (frame.type) {
    case "register":
      return register(context, session, frame.data);
    case "authenticate":
      return authenticate(context, session, frame.data);
    case "heartbeat":
      return heartbeat();
    case "info":
      return info(context);
    default:
      return handleLoggedIn(context, session, frame);
  }
}

/** Answers a frame that could not be read. */
export function refuseBad({ reason, type }: BadFrame, isLoggedIn: boolean): Answer {
  if (reason !== "invalid_data" || type === undefined) return refuse(reason);
  return isLoggedIn || beforeLogin.has(type) ? invalidData(type) : refuse("not_authenticated");
}

function handleLoggedIn(
  context: Context,
  session: Session,
  frame: Exclude<ClientFrame, { type: "register" | "authenticate" | "heartbeat" | "info" }>,
): Answer | Promise<Answer> {
  const { login } = session;
  if (login === undefined) return refuse("not_authenticated");
  switch (frame.type) {
    case "send":
      return send(context, session, login, frame.data);
    case "listen":
      return listen(context, session, login);
    case "received":
      return received(context, session, login, { ...frame.data, isAsked: frame.id !== undefined });
    case "commit":
      return commit(context, login, frame.data);
    case "groups":
      return groups(context, login);
    case "leave":
    case "rejoin":
      return statement(context, login, frame.type, frame.data);
    case "list_users":
      return listUsers(context, login);
    case "key_exchange":
      return keyExchange(context, login, "key_request", frame.data);
    case "key_response":
      return keyExchange(context, login, "key_response", frame.data);
    case "lookup":
      return lookup(context, frame.data);
    case "peers":
      return peers(context, login, frame.data);
    case "publish_keys":
      return publishKeys(context, login, frame.data);
    case "claim_keys":
      return claimKeys(context, session, login, frame.data);
    case "blob":
      return blob(context, login, frame.data);
    case "blob_delete":
      return blobDelete(context, login, frame.data);
    case "unregister":
      return unregister(context, session, login, frame.data);
    default:
      return frame satisfies never;
  }
}
