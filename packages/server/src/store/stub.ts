import { hash } from "node:crypto";

/** What stands for a message to a team that has expired: the SHA-256 of what it was, in base64. [P-6.9] @param text Of its body */
export function stubOf(text: string): string {
  const { message } = JSON.parse(text) as { message: string };
  return hash("sha256", Buffer.from(message, "base64"), "base64");
}
