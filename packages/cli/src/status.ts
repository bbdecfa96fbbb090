import type { MessageStatus, OutgoingFile } from "@aimessage/sdk/node";

/** What is known of a sent message, as programs see it. Times are Unix milliseconds. */
interface StatusJson {
  message_id: string;
  to: string;
  status: MessageStatus["state"];
  reason: string | undefined;
  sent_at: number;
  updated_at: number;
  expires_at: number | undefined;
}

export function statusJson(status: MessageStatus): StatusJson {
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

/** The same, with how far its files are. */
export function statusWithFiles(status: MessageStatus): StatusJson & { files?: OutgoingFile[] } {
  const { files = [] } = status;
  return { ...statusJson(status), ...(files.length === 0 ? {} : { files }) };
}
