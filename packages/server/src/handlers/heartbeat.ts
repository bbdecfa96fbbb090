import { ack, type Answer } from "./session.ts";

export function heartbeat(): Answer {
  return ack({ status: "ok" });
}
