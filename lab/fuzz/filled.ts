/** What frames are filled with, of whatever kind they are. */
import { randomBytes } from "node:crypto";
import type { SendPlan } from "./frame-plans.ts";
import type { Known, User } from "./known.ts";

/** What a connection knows when a frame is filled. */
export interface View {
  known: Known;
  user: User | undefined;
  logId: string;
  /** Highest `seq` that was pushed to it. */
  pushed: number;
  challenge: string | undefined;
}

export interface Filled {
  type: string;
  data: Record<string, unknown> | undefined;
}

export const base64 = (length: number): string => randomBytes(length).toString("base64");

let ids = 0;
export const nextId = (prefix: string): string => `${prefix}-${++ids}`;

export function expiry(plan: SendPlan["expires"]): number | undefined {
  if (plan === "none") return undefined;
  return Date.now() + { past: -1000, soon: 300, later: 60_000, far: 1e12 }[plan];
}

export function messageId(repeat: SendPlan["repeat"], past: Filled | undefined): string | undefined {
  if (repeat === "none") return undefined;
  if (repeat === "changed" && typeof past?.data?.["message_id"] === "string") return past.data["message_id"];
  return nextId("m");
}
