import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { invalidData } from "./invalid-data.ts";

/** A message to so many members of a team costs as much as one frame more. [P-11.2] */
const MEMBERS_A_FRAME = 64;

/** [P-6.1] [P-6.9] */
export async function send(
  { store, rates }: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"send">,
): Promise<Answer> {
  const { group_id: groupId, message_id: messageId } = data;
  const named = messageId === undefined ? {} : { message_id: messageId };
  if (data.to === undefined) {
    const wait = rates.fanOut.take(login.name);
    if (wait > 0) {
      // As after any other refusal, nothing behind it is stored before it.
      if (groupId !== undefined) session.blocked.add(groupId);
      return refuse("rate_limited", { retry_after_ms: wait, ...named });
    }
  }
  const result = await store.send(
    {
      sender: login.mailbox,
      to: data.to,
      direct: data.direct === true,
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
  if ("refused" in result)
    // A full agent's message without group and epoch is the only one that the schema cannot refuse.
    return result.refused === "invalid_data" ? invalidData("send", named) : refused(result, named);
  const status = !result.waiting || result.listening ? "delivered" : "stored_offline";
  const { team } = result;
  if (team === undefined) return ack({ status, message_id: result.messageId });
  rates.frames.owe(login.name, Math.floor((team.recipients + team.lapsed.length) / MEMBERS_A_FRAME));
  rates.fanOut.owe(login.name, data.message.length * team.recipients);
  const { pos, offline, lapsed } = team;
  return ack({ status, message_id: result.messageId, pos, offline, ...(lapsed.length > 0 ? { lapsed } : {}) });
}
