import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** Bytes. */
const MOST_UNREAD = 2 ** 16;

/** Passes on one half of the original's key exchange, to a token account that is online. [P-6.6] */
export async function keyExchange(
  { store, hub }: Context,
  login: Login,
  type: "key_request" | "key_response",
  { to, public_key, session_id }: ClientFrameData<"key_exchange">,
): Promise<Answer> {
  const account = await store.account(to);
  if (login.kind === "key" || account?.kind === "key") return refuse("encryption_required");
  if (account?.kind === "token" && (await store.isBlocked(account.name, login.name))) return refuse("blocked");
  const recipient = account?.kind === "token" ? hub.listener(account.mailbox) : undefined;
  // It has not asked for this, so it must not be what fills its connection up.
  if (recipient === undefined || recipient.unread > MOST_UNREAD) return refuse("unreachable_user");
  recipient.push(type, { from: login.username, to, public_key, session_id });
  return ack({ status: type === "key_request" ? "key_exchange_initiated" : "key_response_forwarded" });
}
