import type { Plan, Result } from "../compare.ts";
import { browser } from "./browser.ts";
import { cluster } from "./cluster.ts";
import { console } from "./console.ts";
import { drain, encrypted, roundTrip } from "./encrypted.ts";
import { files } from "./files.ts";
import { groups } from "./groups.ts";
import { hostile } from "./hostile.ts";
import { logins } from "./logins.ts";
import { mailboxes } from "./mailboxes.ts";
import { memory } from "./memory.ts";
import { offline, relayed } from "./relayed.ts";
import { send } from "./send.ts";
import { uploads } from "./uploads.ts";
import { wakeUp } from "./wake-up.ts";

/** What can be measured, in the order of the table. */
export const figures = {
  relayed,
  offline,
  logins,
  encrypted,
  roundtrip: roundTrip,
  drain,
  memory,
  send,
  groups,
  files,
  uploads,
  hostile,
  browser,
  console,
  cluster,
  wakeup: wakeUp,
  mailboxes,
} satisfies Record<string, (plan: Plan) => Promise<Result[]>>;
export type FigureName = keyof typeof figures;
