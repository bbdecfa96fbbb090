/** Invitations that their owner has not taken: what comes meanwhile is kept, some of it, and nobody hears of it. [P-15.14] */
import { type Content, decodeContent, encodeContent } from "../crypto/content.ts";
import { get, list, nextSeq, pad, parse, partsUnder, put, rowsUnder, toBytes } from "../records/records.ts";
import { toBase64 } from "../protocol/index.ts";
import { directAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { forgetHeld, TAKEN } from "../records/team-held.ts";
import type { TeamHeldRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";
import { keep } from "./received.ts";
import { rosterIn, teamByKey } from "./teams.ts";
import { missAgain } from "./team-gaps.ts";
import { leaveByItself } from "./team-ops.ts";

/** Of one invitation, at most. */
const MESSAGES = 100;
const BYTES = 2 ** 20;
/** Invitations of which anything is kept: more than an owner has in hand, and a bound for what strangers can fill. */
const INVITATIONS = 16;
/** If nobody has taken it for so long, we leave. Milliseconds. */
const INVITED_MS = 7 * 86_400_000;

type Whose = Omit<TeamHeldRecord, "bytes">;

/** @returns whether there was room; what there was none for is asked for when the invitation is taken */
export async function holdInTeam(turn: Turn, key: string, whose: Whose, content: Content): Promise<boolean> {
  const { tx } = turn;
  const body = encodeContent(content);
  const held = await list(tx, "team-held/", { under: `${key}/` });
  const bytes = held.reduce((sum, one) => sum + one.bytes, body.length);
  if (held.length >= MESSAGES || bytes > BYTES || (held.length === 0 && (await invitations(turn)) >= INVITATIONS))
    return false;
  const at = `${key}/${pad(await nextSeq(tx, "in"))}`;
  await put(tx, "team-held/", at, { ...whose, bytes: body.length });
  await tx.put(`team-held-body/${at}`, body);
  return true;
}

/** Of how many invitations anything is kept. */
async function invitations(turn: Turn): Promise<number> {
  const keys: string[] = [];
  for await (const key of partsUnder(turn.tx, "team-held/")) keys.push(key);
  return keys.length;
}

/** Puts what was kept into the inbox, before what comes now, where an invitation was taken. */
export async function letTakenIn(turn: Turn): Promise<void> {
  for (const [taken] of await turn.tx.list({ prefix: TAKEN })) {
    const key = taken.slice(TAKEN.length);
    for await (const [at, value] of rowsUnder(turn.tx, `team-held/${key}/`))
      await turn.on(at, () => letIn(turn, key, parse(at, value) as TeamHeldRecord, at.replace("held/", "held-body/")));
    await forgetHeld(turn.tx, key);
  }
}

async function letIn(turn: Turn, team: string, held: TeamHeldRecord, bodyAt: string): Promise<void> {
  const content = decodeContent(toBytes((await turn.tx.get(bodyAt)) ?? ""));
  const { from, from_name: name, identity_key: identityKey, offline } = held;
  if (content === undefined) return;
  const contact = await turn.contact(from);
  const isAnother = (contact?.identity_key ?? identityKey) !== identityKey;
  const objection = isAnother ? "identity_changed" : contact?.blocked === true ? "blocked" : undefined;
  if (objection !== undefined) await turn.tx.put(owed(directAddress(team, from), "lost", content.header.id), objection);
  else if (await keep(turn, { from, identityKey, team }, content, { name, offline })) return;
  const found = await teamByKey(turn, team);
  const roster = found === undefined ? [] : await rosterIn(turn, found.team);
  const sender = roster.find((member) => member.name === from && toBase64(member.identityKey) === identityKey);
  if (found !== undefined && sender !== undefined) await missAgain(turn, found.team, sender, content);
}

/** Leaves a team whose invitation was not taken in time. */
export async function leaveUntaken(turn: Turn, key: string): Promise<void> {
  const row = await get(turn.tx, "team/", key);
  if (!turn.isTimeSure || row?.state !== "invited" || turn.now - row.since <= INVITED_MS) return;
  await leaveByItself(turn, row);
}
