/** Messages of MLS as bytes. */
import type { MLSMessage, MlsPrivateMessage } from "ts-mls";
import { decodeMlsMessage } from "ts-mls/message.js";
import { GroupError } from "./seam.ts";

export function decodeWhole(bytes: Uint8Array): MLSMessage | undefined {
  try {
    const decoded = decodeMlsMessage(bytes, 0);
    return decoded !== undefined && decoded[1] === bytes.length ? decoded[0] : undefined;
  } catch {
    return undefined;
  }
}

export function readPrivateMessage(bytes: Uint8Array): MlsPrivateMessage {
  const message = decodeWhole(bytes);
  if (message?.wireformat !== "mls_private_message") throw new GroupError("not a PrivateMessage");
  return message;
}
