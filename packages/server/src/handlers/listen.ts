import type { Context } from "../context.ts";
import { ack, type Answer, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";

async function ofDevice({ store }: Context, { mailbox }: Login) {
  const last = await store.lastRequest(mailbox);
  return { key_packages: await store.countKeys(mailbox), ...(last === undefined ? {} : { last_request: last }) };
}

/** [P-5.1] The answer leaves before the first message. */
export async function listen(context: Context, session: Session, login: Login): Promise<Answer> {
  const { store, hub } = context;
  const data = {
    status: "listening",
    log_id: store.logId,
    last_seq: await store.lastSeq(),
    high_water: await store.highWater(login.mailbox),
    ...(login.kind === "key" ? await ofDevice(context, login) : {}),
  };
  // Token accounts listen since their login; a second `listen` changes nothing.
  if (login.kind === "token" || (session.delivery !== undefined && hub.has(session.delivery))) return ack(data);
  return ack(data, () => {
    const delivery = context.deliver(login.mailbox, session);
    session.delivery = delivery;
    hub.listen(delivery);
    context.listens(login.mailbox);
    delivery.start().catch((error: unknown) => context.log.error({ err: error }, "mailbox cannot be read"));
  });
}
