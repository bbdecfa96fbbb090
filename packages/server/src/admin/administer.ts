import type { Context } from "../context.ts";
import type { Deed, DeedDone } from "../store/store.ts";

/** Does in a running relay what an administrator asks for, and ends the connections that it ends. [P-3.6] */
export async function administer(context: Context, deed: Deed): Promise<DeedDone> {
  const { store, log } = context;
  const done = await store.administer(deed);
  const { outcome, mailbox } = done;
  if (outcome !== "done") return done;
  if (mailbox === undefined) log.info(`administrator: ${deed.what}`);
  else log.info({ user: deed.target }, `administrator: ${deed.what}`);
  if (mailbox === undefined) return done;
  if (deed.what === "remove") {
    context.evict({ mailbox, username: deed.target }, "removed");
    context.sweepSoon();
  }
  if (deed.what === "disable") context.evict({ mailbox, username: deed.target }, "disabled");
  return done;
}
