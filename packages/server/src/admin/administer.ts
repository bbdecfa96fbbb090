import { closeCodes, usernameKey } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import type { Deed, DeedDone } from "../store/store.ts";

/** Does in a running relay what an administrator asks for, and ends the connections that it ends. [P-3.6] */
export async function administer(context: Context, deed: Deed): Promise<DeedDone> {
  const { store, hub, blobs, log } = context;
  const done = await store.administer(deed);
  const { outcome, mailbox } = done;
  if (outcome !== "done") return done;
  if (mailbox === undefined) log.info(`administrator: ${deed.what}`);
  else log.info({ user: deed.target }, `administrator: ${deed.what}`);
  if (mailbox !== undefined && deed.what !== "enable") blobs.endUploadsOf(usernameKey(deed.target));
  if (deed.what === "remove" && mailbox !== undefined) {
    hub.evict(mailbox, closeCodes.removed, "not_authenticated");
    context.sweepSoon();
  }
  if (deed.what === "disable" && mailbox !== undefined) hub.evict(mailbox, closeCodes.disabled, "account_disabled");
  return done;
}
