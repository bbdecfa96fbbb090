import { type ClientFrameData, closeCodes } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, type Login, type Session } from "../session.ts";

/** [P-3.5] */
export async function unregister(
  context: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"unregister">,
): Promise<Answer> {
  const mailbox = await context.store.removeAccount(login.name, data?.release ?? false);
  context.log.info({ user: login.username }, "unregistered");
  if (mailbox !== undefined) context.hub.evict(mailbox, closeCodes.removed, "not_authenticated", session);
  context.sweepSoon();
  return ack({ status: "unregistered" }, () => session.close(closeCodes.removed, "not_authenticated"));
}
