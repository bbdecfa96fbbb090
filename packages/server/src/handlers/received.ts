import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-5.3] */
export async function received(
  { store, metrics }: Context,
  session: Session,
  login: Login,
  { log_id, seq, isAsked }: ClientFrameData<"received"> & { isAsked: boolean },
): Promise<Answer> {
  const { delivery } = session;
  if (login.kind === "token") return refuse("token_account");
  if (delivery === undefined) return refuse("not_listening");
  if (log_id !== delivery.logId || seq > delivery.highestPushed) return refuse("received_out_of_range");
  delivery.acknowledged(seq);
  if (isAsked) metrics.delivered.inc(await store.received(login.mailbox, seq));
  else store.receivedSoon(login.mailbox, seq, (count) => metrics.delivered.inc(count));
  return ack({ status: "received" });
}
