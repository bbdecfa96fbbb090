import type { Because } from "../agent/enqueue.ts";

/** By the variables that a command for a message has, and whatever it starts. */
export function becauseOf(env: Readonly<Record<string, string | undefined>>): Because {
  const { AIMESSAGE_ID: cause, AIMESSAGE_EXCHANGE: exchange = "" } = env;
  if (cause === undefined) return {};
  return { cause, ...(/^\d{1,6}$/.test(exchange) ? { exchange: Number(exchange) } : {}) };
}
