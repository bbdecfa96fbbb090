import type { WireReason } from "@aimessage/sdk/protocol";

/** A decision against a request: nothing of it was stored. */
export interface Refused {
  refused: WireReason;
  /** Of `login_counter` and `device_counter`: the highest known. */
  highest?: number;
  /** Of `rate_limited`: milliseconds. */
  retryAfterMs?: number;
  /** Of a team's commit: whom it was refused for. */
  username?: string;
}
