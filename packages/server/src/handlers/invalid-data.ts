import { type Answer, refuse } from "../session.ts";

const nouns: Record<string, string> = {
  register: "registration",
  authenticate: "authentication",
  send: "send",
  key_exchange: "key exchange",
};

/** The original names the frame whose data is wrong. */
export function invalidData(type: string): Answer & { type: "error" } {
  const noun = nouns[type];
  return refuse("invalid_data", noun === undefined ? {} : { message: `Invalid ${noun} data` });
}
