import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { invalidData } from "./invalid-data.ts";

/** [P-6.1] */
export async function send(
  { store }: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"send">,
): Promise<Answer> {
  const { group_id: groupId, message_id: messageId } = data;
  const result = await store.send(
    {
      sender: login.mailbox,
      to: data.to,
      message: data.message,
      sessionId: data.session_id,
      groupId,
      epoch: data.epoch,
      messageId,
      expiresAt: data.expires_at,
      resume: data.resume === true,
    },
    session.blocked,
  );
  if ("refused" in result) {
    const named = messageId === undefined ? {} : { message_id: messageId };
    // A full agent's message without group and epoch is the only one that the schema cannot refuse.
    return result.refused === "invalid_data" ? invalidData("send", named) : refused(result, named);
  }
  const status = !result.waiting || result.listening ? "delivered" : "stored_offline";
  return ack({ status, message_id: result.messageId });
}
