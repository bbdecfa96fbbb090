/** Whether a message that was read goes into the inbox, waits for the owner's word, or is refused. */
import { owe } from "../records/owed.ts";
import { find } from "../records/records.ts";
import type { WaitsFor } from "../records/consent-records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { countIn, excessText, exchangeOf, judge } from "../trust/guards.ts";
import { hold, letHeldIn, type Refusal } from "../trust/held.ts";
import { goOnByWord } from "../trust/words.ts";
import type { Turn } from "../turn/turn.ts";

/** The cost of a message that its sender should not have sent: ms of an ordinary core. See `Waste`. */
const REFUSED = 0.5;

/**
 * A person's word of a contact whose fingerprint was compared: the guards count that contact anew, and what of it they hold is let in, before
 * the word itself has a place behind that. Not more often in a day than its sender has words. [P-9.19]
 * @returns whether they do
 */
export async function hearWord(turn: Turn, whose: Pick<InboxRecord, "from" | "team" | "verified">): Promise<boolean> {
  const { from, verified } = whose;
  if (!verified || (await unwanted(turn, whose)) !== undefined) return false;
  if (!(await goOnByWord(turn.tx, from, await turn.judged(from), turn.now))) return false;
  await letHeldIn(turn.tx, "guard", from);
  return true;
}

/** What the owner says of somebody who writes; undefined if nothing. */
async function unwanted(
  turn: Turn,
  { from, team }: Pick<InboxRecord, "from" | "team">,
): Promise<"contacts" | "closed" | undefined> {
  // Whoever is in a team was taken by its admins, and the team by our owner.
  if (team !== undefined || !(await turn.isStranger(from))) return undefined;
  const policy = await turn.policy();
  return policy === "open" ? undefined : policy;
}

/** @param row Already `let_in` if it is a word by which counts have begun anew. @returns where it is; if it was refused, its sender hears so */
export async function admit(turn: Turn, row: InboxRecord, body: Uint8Array): Promise<"in" | "waits" | "refused"> {
  const { from, answers } = row;
  const policy = await unwanted(turn, row);
  if (policy === "closed") return refuse(turn, row, "closed");
  if (policy === "contacts")
    return wait(turn, {
      row,
      body,
      why: "consent",
      alert: `${from} would like to write to this agent: aimessage requests show ${from}`,
    });
  // A reply is waited for: whoever has asked has let it in.
  if (answers !== undefined) return "in";
  const judged = await turn.judged(from);
  // Also where a limit is below one message.
  if (row.let_in === true) {
    countIn(judged.heard, body.length);
    return "in";
  }
  const exchange = await exchangeOf(turn.tx, row);
  // An exchange is held by itself. What is too much at all keeps its order with all that comes behind it.
  const isBehind = (await find(turn.tx, "holding/", `guard/${from}`))?.in_order === true;
  const excess = isBehind ? "messages_per_hour" : judge(judged, turn.now, { size: body.length, exchange });
  if (excess === undefined) return "in";
  const inOrder = excess !== "answers_per_exchange";
  return wait(turn, { row, body, why: "guard", inOrder, alert: excessText(from, excess, judged) });
}

interface Waiting {
  row: InboxRecord;
  body: Uint8Array;
  why: WaitsFor;
  /** What comes behind it waits as well. */
  inOrder?: boolean;
  /** The owner's alert about the first of its sender. */
  alert: string;
}

async function wait(turn: Turn, { row, body, why, inOrder, alert }: Waiting): Promise<"waits" | "refused"> {
  const held = await hold(turn.tx, { why, row, body, inOrder });
  if (held === "full") return refuse(turn, row, why === "guard" ? "guard" : "requests_full");
  if (held === "first") await turn.alert(why === "guard" ? "guard" : "request", row.from, alert);
  return "waits";
}

async function refuse(turn: Turn, row: InboxRecord, reason: Refusal): Promise<"refused"> {
  turn.wasted(row.from, REFUSED);
  await owe(turn.tx, { ...row, state: "failed", reason });
  return "refused";
}
