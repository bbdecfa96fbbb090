import { hash } from "node:crypto";
import { isBase64 } from "@aimessage/sdk/protocol";

/**
 * What stands for a message to a team that has expired: the SHA-256 of what it was, in base64; where that was no base64, of nothing. [P-6.9]
 * @param text Of its body
 */
export function stubOf(text: string): string {
  const { message } = JSON.parse(text) as { message: string };
  return hash("sha256", Buffer.from(isBase64(message) ? message : "", "base64"), "base64");
}
