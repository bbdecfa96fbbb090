/** Whether a message that was read goes into the inbox, waits for the owner's word, or is refused. */
import { owe } from "../records/owed.ts";
import type { WaitsFor } from "../records/consent-records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { excessText, exchangeOf, judge } from "../trust/guards.ts";
import { hold, type Refusal } from "../trust/held.ts";
import { policyOf } from "../trust/standing.ts";
import type { Turn } from "../turn/turn.ts";

/** The cost of a message that its sender should not have sent: ms of an ordinary core. See `Waste`. */
const REFUSED = 0.5;

/** @returns whether the inbox takes it; if not, its sender hears what it has to */
export async function admit(turn: Turn, row: InboxRecord, body: Uint8Array): Promise<boolean> {
  const { from, answers } = row;
  if (await turn.isStranger(from)) {
    const policy = await policyOf(turn.tx);
    if (policy === "closed") await refuse(turn, row, "closed");
    else if (policy === "contacts")
      await wait(turn, {
        row,
        body,
        why: "consent",
        alert: `${from} would like to write to this agent: aimessage requests show ${from}`,
      });
    if (policy !== "open") return false;
  }
  // A reply is waited for: whoever has asked has let it in.
  if (answers !== undefined) return true;
  const judged = await turn.judged(from);
  const exchange = await exchangeOf(turn.tx, from, row);
  const excess = judge(judged, turn.now, { size: body.length, exchange });
  if (excess === undefined) return true;
  await wait(turn, { row, body, why: "guard", alert: excessText(from, excess, judged) });
  return false;
}

interface Waiting {
  row: InboxRecord;
  body: Uint8Array;
  why: WaitsFor;
  /** The owner's alert about the first of its sender. */
  alert: string;
}

async function wait(turn: Turn, { row, body, why, alert }: Waiting): Promise<void> {
  const held = await hold(turn.tx, why, row, body);
  if (held === "full") await refuse(turn, row, why === "guard" ? "guard" : "requests_full");
  if (held === "first") await turn.alert(why === "guard" ? "guard" : "request", row.from, alert);
}

async function refuse(turn: Turn, row: InboxRecord, reason: Refusal): Promise<void> {
  turn.wasted(row.from, REFUSED);
  await owe(turn.tx, { ...row, state: "failed", reason });
}
