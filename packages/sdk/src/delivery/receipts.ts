/** Our word to contacts on what has come from them: gathered in rows, sent as receipts. */
import { toBase64, utf8 } from "../protocol/index.ts";
import type { ReadTransaction, Value } from "../store/store.ts";
import { teamsFor } from "../conversation/team-forks.ts";
import { countsOf } from "../conversation/team-direct.ts";
import { saidOf } from "../conversation/team-gaps.ts";
import { rosterIn, teamByKey } from "../conversation/teams.ts";
import { readAddress } from "../records/addresses.ts";
import { pairOf, type Team, teamMember } from "../turn/groups.ts";
import { owed } from "../records/owed.ts";
import { emptyReceipt, GROUPS, PER_RECEIPT } from "../conversation/receipt.ts";
import { get, parse } from "../records/records.ts";
import type { FetchedRecord, OutcomeRecord, OwedKind } from "../records/tables.ts";
import { addReceipt } from "../turn/outbox-rows.ts";
import type { Turn } from "../turn/turn.ts";

/** Puts the next receipt to a contact into the outbox. What finds no room in it travels in the one behind it. */
export async function flushReceipt(turn: Turn, username: string): Promise<void> {
  const body = emptyReceipt();
  const team = await teamOfMember(turn, username);
  const present = team?.record.id;
  const counts = await countsWith(turn, username, team);
  for (const [group, counter] of await take(turn.tx, username, "read", GROUPS)) {
    // To a member of a team it is said of the group that it is said in, and of no other.
    if (present !== undefined && present !== group) {
      await turn.tx.delete(owed(username, "read", group));
      continue;
    }
    const { missing, since = 0, upTo = Infinity } = await saidIn(turn, group, { username, team });
    // Every counter that was not read is named: without it this one would say that it was received, and the receipt that asked for it may be lost.
    if (body.missing.length + missing.length > PER_RECEIPT) continue;
    body.missing.push(...missing.map((gap) => ({ group, counter: gap })));
    const received = Math.min(Number(counter), upTo);
    // Of a member that counts anew nothing has come.
    if (received > 0) body.received[group] = received;
    if (since > 0) body.since = since;
    await turn.tx.delete(owed(username, "read", group));
  }
  const identity = await identityAt(turn, username, team);
  for (const [place, value] of await take(turn.tx, username, "done", PER_RECEIPT)) {
    const record = parse(owed(username, "done", place), value) as OutcomeRecord;
    const { id, failed: reason, identity_key = identity, ...rest } = record;
    await turn.tx.delete(owed(username, "done", place));
    // Nobody hears of what another identity has sent.
    if (identity_key !== identity) continue;
    if (reason === undefined) body.handled.push(id);
    else body.failed.push({ id, reason, ...rest });
  }
  for (const [id, reason] of await take(turn.tx, username, "lost", PER_RECEIPT - body.failed.length)) {
    if (reason === "") body.undecryptable.push(id);
    else body.failed.push({ id, reason: String(reason) });
    await turn.tx.delete(owed(username, "lost", id));
  }
  for (const [place, value] of await take(turn.tx, username, "file", PER_RECEIPT)) {
    const { id, file, reason, identity_key = identity } = parse(owed(username, "file", place), value) as FetchedRecord;
    await turn.tx.delete(owed(username, "file", place));
    if (identity_key !== identity) continue;
    if (reason === undefined) (body.fetched ??= []).push({ id, file });
    else (body.unfetched ??= []).push({ id, file, reason });
  }
  for (const [counter, whose] of await take(turn.tx, username, "free", PER_RECEIPT)) {
    if (whose === counts) (body.freed ??= []).push(Number(counter));
    await turn.tx.delete(owed(username, "free", counter));
  }
  // That all is said stands in the last one.
  const isLast =
    (await take(turn.tx, username, "done", 1)).length === 0 && (await take(turn.tx, username, "file", 1)).length === 0;
  for (const [what, value] of isLast ? await take(turn.tx, username, "direct", 2) : []) {
    const [counter, whose] = String(value).split(" ");
    if (whose === counts && (what === "unheard" || what === "told")) body[what] = Number(counter);
    await turn.tx.delete(owed(username, "direct", what));
  }
  if (Object.values(body).every((part) => typeof part === "object" && Object.keys(part).length === 0)) return;
  const teams = readAddress(username).kind === "pair" ? await teamsFor(turn, username) : [];
  if (teams.length > 0) body.teams = teams;
  const whom = {
    to: username,
    ...(identity === undefined ? {} : { identity_key: identity }),
    ...(counts === undefined ? {} : { counts }),
  };
  await addReceipt(turn, { ...whom, content_type: "application/json" }, utf8(JSON.stringify(body)));
}

/** Of a member of a team: that team, if its state is there. */
async function teamOfMember(turn: Turn, username: string): Promise<Team | undefined> {
  const address = readAddress(username);
  return address.kind === "direct" ? (await teamByKey(turn, address.key))?.team : undefined;
}

/** By whose counters is said to a member of a team what is known of it: by nobody's while its group is not there. */
async function countsWith(turn: Turn, username: string, team: Team | undefined): Promise<string | undefined> {
  const address = readAddress(username);
  if (address.kind !== "direct" || team === undefined) return undefined;
  return countsOf(turn, team, await teamMember(turn, team, address.name));
}

/** The identity key of a contact, or of a member of a team, as it is now. */
async function identityAt(turn: Turn, username: string, team: Team | undefined): Promise<string | undefined> {
  const address = readAddress(username);
  if (address.kind !== "direct") return (await turn.contact(username))?.identity_key;
  const member = team && (await rosterIn(turn, team)).find(({ name }) => name === address.name);
  return member && toBase64(member.identityKey);
}

async function take(tx: ReadTransaction, username: string, kind: OwedKind, limit: number): Promise<[string, Value][]> {
  const prefix = owed(username, kind);
  return (await tx.list({ prefix, limit })).map(([key, value]) => [key.slice(prefix.length), value]);
}

/** What is missing of a contact in a group of ours with it, or of a member of a team. */
async function saidIn(
  turn: Turn,
  group: string,
  { username, team }: { username: string; team: Team | undefined },
): Promise<{ missing: number[]; upTo?: number; since?: number | undefined }> {
  const address = readAddress(username);
  if (address.kind === "direct") {
    const { name } = address;
    const member = team ? await teamMember(turn, team, name) : await get(turn.tx, "team-member/", `${group}/${name}`);
    return member === undefined ? { missing: [] } : { ...saidOf(member), since: member.since };
  }
  const peer = (await pairOf(turn, group))?.peer ?? (await get(turn.tx, "member/", `${group}/${username}`));
  return { missing: peer?.gaps ?? [] };
}
