import { closeCodes, usernameKey } from "@aimessage/sdk/protocol";
import type { Blobs } from "./blobs/blobs.ts";
import type { Context } from "./context.ts";
import type { Hub } from "./delivery/hub.ts";

const ENDS = {
  removed: { code: closeCodes.removed, reason: "not_authenticated" },
  disabled: { code: closeCodes.disabled, reason: "account_disabled" },
  replaced: { code: closeCodes.deviceReplaced, reason: "device_replaced" },
} as const;

/** What ends all that an account's mailbox has open at this relay: its connections, and what comes of its files. [P-3.4] [P-3.5] [P-3.6] */
export function evictor(hub: Hub, blobs: Blobs): Context["evict"] {
  return ({ mailbox, username }, why, except) => {
    const { code, reason } = ENDS[why];
    // Files are the account's, whichever of its devices brings them.
    if (why !== "replaced") blobs.endUploadsOf(usernameKey(username));
    hub.evict(mailbox, code, reason, except);
  };
}
