import { encodeRelayFrame } from "@aimessage/sdk/protocol";
import type { Entry } from "../store/store.ts";

/** An entry as it is pushed: `message` if it is live, `offline_message` if it has waited. [P-5.2] */
export function deliveryFrame(entry: Entry, live: boolean): string {
  return encodeRelayFrame(live ? "message" : "offline_message", `seq-${entry.seq}`, undefined, {
    from: entry.from,
    // The codec's schema knows no undefined; JSON.stringify leaves such fields out.
    device: entry.device as string,
    kind: entry.kind,
    message: entry.message,
    // An empty one is left out, as in the original.
    session_id: (entry.sessionId === "" ? undefined : entry.sessionId) as string,
    group_id: entry.groupId as string,
    epoch: entry.epoch as number,
    message_id: entry.messageId,
    expires_at: entry.expiresAt as number,
    seq: entry.seq,
    timestamp: Math.floor(entry.storedAt / 1000),
    status: entry.status as NonNullable<Entry["status"]>,
    reason: entry.reason as string,
  });
}
