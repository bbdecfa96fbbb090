import type { Context } from "../context.ts";
import { ack, type Answer, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import type { Listening, MailboxState } from "../store/store.ts";

/** [P-5.1] The answer leaves before the first message. */
export async function listen(context: Context, session: Session, login: Login): Promise<Answer> {
  const { store, hub } = context;
  const { mailbox } = login;
  // Token accounts listen since their login; a second `listen` changes nothing.
  if (login.kind === "token" || (session.delivery !== undefined && hub.has(session.delivery)))
    return ack(stateOf(login, await store.look(mailbox)));
  const listening = await store.listen(mailbox);
  return ack(stateOf(login, listening), () => {
    startPush(context, session, login, listening).catch((error: unknown) =>
      context.log.error({ err: error }, "mailbox cannot be read"),
    );
  });
}

/** Pushes a mailbox to a connection that has it now. Resolves when all that waited before has been pushed. */
export function startPush(context: Context, session: Session, login: Login, listening: Listening): Promise<void> {
  const delivery = context.deliver(login.mailbox, session, listening);
  session.delivery = delivery;
  context.hub.listen(delivery);
  if (login.kind === "key") context.listens(login.mailbox);
  return delivery.start();
}

function stateOf({ kind }: Login, { logId, lastSeq, highWater, keyPackages, lastRequest }: MailboxState) {
  const log = { status: "listening", log_id: logId, last_seq: lastSeq, high_water: highWater };
  if (kind === "token") return log;
  return { ...log, key_packages: keyPackages, ...(lastRequest === undefined ? {} : { last_request: lastRequest }) };
}
