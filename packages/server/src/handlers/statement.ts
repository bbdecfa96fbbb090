import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import type { Login } from "../delivery/login.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";

/** [P-6.11] */
export async function statement(
  context: Context,
  login: Login,
  kind: "leave" | "rejoin",
  { group_id: groupId, statement: signed }: ClientFrameData<"leave">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const refusal = await context.store.keepStatement({ sender: login.mailbox, groupId, kind, statement: signed });
  if (refusal !== undefined) return refused(refusal);
  context.offersSoon();
  return ack({ status: kind === "leave" ? "left" : "rejoining" });
}
