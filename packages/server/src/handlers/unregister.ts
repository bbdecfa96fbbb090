import { type ClientFrameData, closeCodes } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-3.5] */
export async function unregister(
  context: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"unregister">,
): Promise<Answer> {
  if (!(await context.store.removeAccount(login.mailbox, data?.release ?? false))) return refuse("device_replaced");
  context.log.info({ user: login.username }, "unregistered");
  context.evict(login, "removed", session);
  context.sweepSoon();
  return ack({ status: "unregistered" }, () => session.close(closeCodes.removed, "not_authenticated"));
}
