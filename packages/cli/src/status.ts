import type { MessageStatus } from "@aimessage/sdk/node";

/** What is known of a sent message as JSON. Times are Unix milliseconds. */
export function statusJson(status: MessageStatus): object {
  return {
    message_id: status.id,
    to: status.to,
    status: status.state,
    reason: status.reason,
    sent_at: status.createdAt,
    updated_at: status.updatedAt,
    expires_at: status.expiresAt,
  };
}
