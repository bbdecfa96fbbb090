import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse } from "./session.ts";
import type { Login } from "../delivery/login.ts";

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
  const frame = { type, data: { from: login.username, to, public_key, session_id } };
  if (account?.kind !== "token" || !(await hub.hand(account.mailbox, frame))) return refuse("unreachable_user");
  return ack({ status: type === "key_request" ? "key_exchange_initiated" : "key_response_forwarded" });
}
