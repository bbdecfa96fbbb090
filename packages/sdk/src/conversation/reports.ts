/**
 * Reports on what was sent, of contacts and of members of teams, and what the going and the return of a member makes of it: as far as a turn
 * has time. The rest is on disk, each one's in order, and later turns go on with it.
 */
import { applyFromContact } from "./contact-reports.ts";
import { emptyReceipt, readReceipt } from "./receipt.ts";
import { hearFreed, hearUnheard } from "./team-direct.ts";
import { hearTeams } from "./team-forks.ts";
import { applyFromMember } from "./team-reports.ts";
import { knownIn } from "./teams.ts";
import { type Delivery, usernameKey } from "../protocol/index.ts";
import { directAddress, readAddress } from "../records/addresses.ts";
import { nextSeq, pad, parse, put } from "../records/records.ts";
import { AT_LEAST, SHARE } from "./resend.ts";
import type { ReportRecord } from "../records/left-records.ts";
import { type Pair, type Team, teamMember, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

type Turned = NonNullable<ReportRecord["turned"]>;

/** Receipts of one contact that wait to be applied. Enough for all that is said at once of tens of thousands of messages. */
const WAITING_AT_MOST = 64;
/** The cost of a receipt that is none. See `Waste`. */
const MALFORMED = 2;

/**
 * Applies a receipt that came in `conversation`. It counts only for messages that were sent to its contact. Malformed ones
 * do nothing.
 */
export async function applyReceipt(turn: Turn, { record }: Pair, body: Uint8Array): Promise<void> {
  const read = readReceipt(body);
  const { contact, id: conversation } = record;
  if (read === undefined) return turn.wasted(contact, MALFORMED);
  const { teams = [], unheard: _unheard, told: _told, freed: _freed, ...receipt } = read;
  await hearTeams(turn, contact, teams);
  if (!(await turn.isStranger(contact))) return report(turn, contact, { conversation, ...receipt });
  // Nobody has written to it, so it has little to say. What is not applied now is not worth being kept: the next one says it.
  const { received, ...words } = receipt;
  if (await apply(turn, contact, { conversation, received: {}, ...words }, Infinity))
    await report(turn, contact, { conversation, ...emptyReceipt(), received });
}

/** The other side has everything on disk that we sent in this group up to this counter. */
export function confirm(turn: Turn, contact: string, group: string, counter: number): Promise<void> {
  return report(turn, contact, { conversation: group, ...emptyReceipt(), received: { [group]: counter } });
}

/** What a member says of messages that were sent to all of its team. */
export async function applyTeamReceipt(turn: Turn, team: Team, from: string, body: Uint8Array): Promise<void> {
  const read = readReceipt(body);
  if (read === undefined) return turn.wasted(from, MALFORMED);
  const { id, key } = team.record;
  const { teams: _teams, unheard, told, freed = [], received, ...receipt } = read;
  const member = await teamMember(turn, team, from);
  const { device } = member;
  if (freed.length > 0) await hearFreed(turn, team, member, freed);
  await hearUnheard(turn, team, member, { unheard, told });
  // What is sent before all of it is applied, nobody has.
  const upTo = Math.min(received[id] ?? 0, team.record.send_counter);
  const by = await knownIn(turn, id, from);
  const said = {
    conversation: id,
    ...receipt,
    ...(device === undefined ? {} : { device }),
    ...(by === undefined ? {} : { by }),
  };
  await report(turn, directAddress(key, from), { ...said, received: upTo > 0 ? { [id]: upTo } : {} });
}

/**
 * Somebody is no member any more, or it is in its team again and has lost what it had of it: of all that was sent up to now, behind what it has
 * reported before.
 */
export function reportTurn(
  turn: Turn,
  { record }: Pick<Team, "record">,
  name: string,
  to: Turned["to"],
): Promise<void> {
  const { id, key, send_counter: upTo, epoch } = record;
  return report(turn, directAddress(key, name), {
    conversation: id,
    ...emptyReceipt(),
    turned: { to, upTo, epoch },
  });
}

/** As far as the turn has time; the rest is on disk, and what is reported of the same one meanwhile comes behind it. */
async function report(turn: Turn, whose: string, record: ReportRecord): Promise<void> {
  const { reporting } = turn.cache;
  // Many members may go at once: when the time is over, nothing is begun of any.
  const isBegun = !reporting.has(whose) && (record.turned === undefined || turn.mayGoOn());
  if (isBegun && (await apply(turn, whose, record, 1))) return;
  reporting.set(whose, (reporting.get(whose) ?? 0) + 1);
  turn.isCut ||= record.turned !== undefined || !turn.isSpent(nameOf(whose));
  await put(turn.tx, "report/", `${whose}/${pad(await nextSeq(turn.tx, "report"))}`, record);
}

/** Whether so much of what a sender has reported waits that what else it sends is left with the relay for now. */
export async function hasEnough(turn: Turn, { kind = "application", group_id, from }: Delivery): Promise<boolean> {
  const { reporting } = turn.cache;
  const name = usernameKey(from);
  if (reporting.size === 0 || turn.isSpent(name)) return false;
  if (kind === "application") return (reporting.get(name) ?? 0) >= WAITING_AT_MOST;
  const team = kind === "direct" ? await teamOf(turn, group_id ?? "") : undefined;
  return team !== undefined && (reporting.get(directAddress(team.record.key, name)) ?? 0) >= WAITING_AT_MOST;
}

/** Goes on with what earlier turns have left, one after the other, each in order. */
export async function continueReports(turn: Turn): Promise<void> {
  const { reporting } = turn.cache;
  const all = [...reporting];
  for (const [whose, waiting] of all) {
    if (turn.isSpent(nameOf(whose)) && !(await dropUpToTurn(turn, whose))) continue;
    reporting.delete(whose);
    const applied = await continueFor(turn, whose);
    // In the next turn the others come first.
    if (applied !== "all") reporting.set(whose, Math.max(1, waiting - applied));
    if (reporting.size > 0 && !turn.mayGoOn(SHARE)) return;
  }
}

/** @returns how many of this one's are done */
async function continueFor(turn: Turn, whose: string): Promise<number | "all"> {
  for (let done = 0; ;) {
    const [next] = await turn.tx.list({ prefix: `report/${whose}/`, limit: 1 });
    if (next === undefined) return "all";
    const [key, value] = next;
    const record = parse(key, value) as ReportRecord;
    if (record.turned === undefined && turn.isSpent(nameOf(whose))) return done;
    const isWhole = await turn.on(key, () => apply(turn, whose, record, SHARE));
    done += isWhole ? 1 : 0;
    if (isWhole) await turn.tx.delete(key);
    else await turn.tx.put(key, JSON.stringify(record));
    if (!isWhole || !turn.mayGoOn(SHARE)) return done;
  }
}

/** Whoever is not read for now has gone, or is back: nobody waits for what it has said before. @returns whether it has */
async function dropUpToTurn({ tx }: Turn, whose: string): Promise<boolean> {
  const prefix = `report/${whose}/`;
  const rows = await tx.list({ prefix });
  const at = rows.findIndex(([key, value]) => (parse(key, value) as ReportRecord).turned !== undefined);
  for (const [key] of rows.slice(0, Math.max(0, at))) await tx.delete(key);
  return at !== -1;
}

/** Applies a report, and takes out of it what is applied. @returns whether that is all of it */
function apply(turn: Turn, whose: string, record: ReportRecord, share: number): Promise<boolean> {
  const address = readAddress(whose);
  let count = 0;
  // That it went, or is back, is no word of its own.
  const isRead = () => record.turned !== undefined || !turn.isSpent(nameOf(whose));
  const goesOn = () => isRead() && (count++ < AT_LEAST || turn.mayGoOn(share));
  return address.kind === "direct"
    ? applyFromMember(turn, address, record, goesOn)
    : applyFromContact(turn, whose, record, goesOn);
}

/** Who has said it: a contact, or a member of a team. */
function nameOf(whose: string): string {
  const address = readAddress(whose);
  return address.kind === "direct" ? address.name : whose;
}
