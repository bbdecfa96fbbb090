import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { invalidData } from "./invalid-data.ts";

/** [P-6.1] [P-6.9] */
export async function send(
  { store, rates }: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"send">,
): Promise<Answer> {
  const { group_id: groupId, message_id: messageId } = data;
  const named = messageId === undefined ? {} : { message_id: messageId };
  const team = data.to === undefined ? groupId : undefined;
  if (team !== undefined) {
    const wait = rates.fanOut.wait(login.name);
    if (wait > 0) {
      // As after any other refusal, nothing behind it is stored before it.
      session.blocked.add(team);
      return refuse("rate_limited", { retry_after_ms: wait, ...named });
    }
  }
  const ask = () =>
    store.send(
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
  const size = data.message.length;
  const result = await (team === undefined ? ask() : rates.fanOut.charged(login.name, { team, bytes: size }, ask));
  if ("refused" in result)
    // A full agent's message without group and epoch is the only one that the schema cannot refuse.
    return result.refused === "invalid_data" ? invalidData("send", named) : refused(result, named);
  const status = !result.waiting || result.listening ? "delivered" : "stored_offline";
  if (result.team === undefined) return ack({ status, message_id: result.messageId });
  const { pos, offline, lapsed } = result.team;
  return ack({ status, message_id: result.messageId, pos, offline, ...(lapsed.length > 0 ? { lapsed } : {}) });
}
