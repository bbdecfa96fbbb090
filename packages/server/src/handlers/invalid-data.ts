import { type Answer, refuse } from "./session.ts";
import type { FrameData } from "../delivery/delivery.ts";

const nouns: Record<string, string> = {
  register: "registration",
  authenticate: "authentication",
  send: "send",
  key_exchange: "key exchange",
};

/** The original names the frame whose data is wrong. */
export function invalidData(type: string, extra: Partial<FrameData<"error">> = {}): Answer & { type: "error" } {
  const noun = Object.hasOwn(nouns, type) ? nouns[type] : undefined;
  return refuse("invalid_data", noun === undefined ? extra : { message: `Invalid ${noun} data`, ...extra });
}
