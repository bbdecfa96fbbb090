import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-7.5] */
export async function peers(
  { store, rates }: Context,
  login: Login,
  { clear, allow = [], block = [] }: ClientFrameData<"peers">,
): Promise<Answer> {
  const retryAfterMs = rates.peers.take(login.name, allow.length + block.length);
  if (retryAfterMs > 0) return refuse("rate_limited", { retry_after_ms: retryAfterMs });
  const decision = await store.setPeers(login.mailbox, { clear, allow, block });
  return decision === undefined ? ack({ status: "peers" }) : refused(decision);
}
