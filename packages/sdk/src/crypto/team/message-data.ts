/** What a message to a team is bound to beside its group: the relay cannot move it to another id, sender or expiry. [P-15.10] */
import { equal, lengthPrefixed, usernameKey } from "../../protocol/index.ts";

export interface BoundTo {
  messageId: string;
  from: string;
  fromDevice: string;
  /** The relay's clock, Unix ms. */
  expiresAt: number | undefined;
}

export function teamMessageData({ messageId, from, fromDevice, expiresAt }: BoundTo): Uint8Array {
  return lengthPrefixed("aimessage message 2", messageId, usernameKey(from), fromDevice, expiresAt ?? 0);
}

export function isTeamDataOf(data: Uint8Array, message: BoundTo): boolean {
  return equal(data, teamMessageData(message));
}
