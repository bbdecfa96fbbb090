/** Commits of teams: others', which are judged and followed, and our own, once they are admitted. */
import { GroupError } from "../crypto/mls/seam.ts";
import type { TeamCommit } from "../crypto/mls/team-seam.ts";
import { DIRECT, DIRECT_BYTES } from "../crypto/team/direct.ts";
import { followChange } from "../crypto/team/changes.ts";
import { type Certified, certifiedBy } from "../crypto/team/roster.ts";
import { waitForEpoch } from "./awaiting.ts";
import { aheadOf } from "./team-ahead.ts";
import { type Delivery, fromBase64, isBase64, toBase64, usernameKey } from "../protocol/index.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { get, pad, put } from "../records/records.ts";
import { planHealing } from "./team-healing.ts";
import { comparePins } from "./team-pins.ts";
import type { OpRecord } from "../records/team-records.ts";
import { leaveIfTooLarge } from "./strange-teams.ts";
import { memberBack, memberGone } from "./team-turnover.ts";
import { heardFrom, keysOf } from "./team-heard.ts";
import { retire } from "./team-end.ts";
import { endOrGoOn } from "./team-ops.ts";
import { cannotFollow, commitMissing, forked } from "./team-stuck.ts";
import { compareWords } from "./team-words.ts";
import { type AsItWas, leaversIn, tell, tellChange } from "./team-news.ts";
import { followBack } from "./team-return.ts";
import { learn, rosterIn, settingsIn } from "./teams.ts";
import { beginOrder } from "../turn/team-order.ts";
import { forgetMember, type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";

/** Changes that give us new keys as well. */
const BRINGS_KEYS: ReadonlySet<OpRecord["kind"]> = new Set(["update", "remove", "release", "readmit"]);

/** A commit of another member of a team. */
export async function receiveTeamCommit(turn: Turn, team: Team, delivery: Delivery): Promise<void> {
  const { record } = team;
  const epoch = delivery.epoch ?? -1;
  const from = usernameKey(delivery.from);
  const pending = turn.cache.commits.get(record.id);
  if (record.state !== "open") return undefined;
  // Of the epoch before, whoever brings what is known repeats it.
  const known = epoch === record.epoch ? record.put_anew : epoch === record.epoch - 1 ? record.ended_by : undefined;
  const isSecond = (known ?? delivery.message_id) !== delivery.message_id;
  const isBehindOurs = pending?.epoch === epoch && pending.high_water !== undefined;
  if (isSecond || isBehindOurs) return forked(turn, team, from);
  if (epoch < record.epoch) return undefined;
  if (epoch > record.epoch) return commitMissing(turn, team);
  const { body } = delivery;
  if (typeof body !== "string" || !isBase64(body))
    return cannotFollow(turn, team, { why: "it is not there", sender: from });
  const before = await directSecret(turn, team);
  let followed: Awaited<ReturnType<typeof followChange>>;
  try {
    const ahead = turn.cache.between.get(aheadOf(delivery), team.group);
    followed = (ahead as typeof followed | undefined) ?? (await followChange(turn.teams, team.group, fromBase64(body)));
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return cannotFollow(turn, team, { why: error.message, sender: from });
  }
  await compareWords(turn, followed.commit, delivery);
  // Who has signed it is not the relay's word.
  const committer = await certifiedBy(followed.commit.committer.certificate);
  if (followed.kind === "removed") {
    const { device, identity } = turn.account;
    if ((await addedBy(followed.commit)).some((added) => added.device === device.id))
      return awaitWelcome(turn, team, delivery.message_id);
    await tell(turn, record.key, { by: committer?.name, removed: [usernameKey(identity.username)] });
    return retire(turn, record);
  }
  if (followed.kind !== "applied") {
    const signer = committer?.name ?? from;
    const isForbidden = followed.kind === "refused";
    const why = followed.kind === "refused" ? followed.reason.replaceAll("_", " ") : followed.cause.message;
    return cannotFollow(turn, team, { why, signer, isForbidden });
  }
  // The winner is applied: ours for the same epoch lost, and its change is made anew.
  if (pending !== undefined) await turn.removeCommit(record.id);
  turn.consumed.push(...followed.consumed);
  const was = {
    roster: await rosterIn(turn, team),
    settings: settingsIn(turn, team),
    by: committer?.name,
    left: leaversIn(followed.commit.authenticatedData),
  };
  team.group = followed.group;
  const added = (await addedBy(followed.commit)).map(({ name }) => name);
  record.ended_by = delivery.message_id;
  await enter(turn, team, { epoch, secret: before, ...was, added });
  if (committer !== undefined) await heardFrom(turn, team, committer.name, followed.commit.path !== "none");
}

/** Whom a commit adds. */
async function addedBy({ proposals }: TeamCommit): Promise<Certified[]> {
  const added: Certified[] = [];
  for (const proposal of proposals) {
    const said = proposal.kind === "add" ? await certifiedBy(proposal.certificate) : undefined;
    if (said !== undefined) added.push(said);
  }
  return added;
}

/**
 * A commit has put us in our own place anew: it removes and adds us. We have been a member all the time; the others know us as the same, and count on,
 * and so do we. The Welcome comes behind it; where that is lost, what the others say next is of an epoch that we cannot reach.
 */
async function awaitWelcome(turn: Turn, team: Team, commitId: string): Promise<void> {
  await turn.removeCommit(team.record.id);
  team.record.put_anew = commitId;
  waitForEpoch(turn, team.record, team.record.epoch + 1);
  // The Welcome may be of the same turn.
  await put(turn.tx, "team-group/", team.record.id, team.record);
}

/** Applies our own admitted commit, once our mailbox is processed up to where it stood when the commit was admitted. */
export async function applyTeamCommit(turn: Turn, { group: id, op, commit_id }: CommitRecord): Promise<void> {
  const team = await teamOf(turn, id);
  const next = await turn.tx.get(`next/${id}`);
  const record = op === undefined ? undefined : await get(turn.tx, "op/", pad(op));
  if (team !== undefined && next !== undefined) {
    const { epoch } = team.record;
    const secret = await directSecret(turn, team);
    const own = usernameKey(turn.account.identity.username);
    const was = {
      roster: await rosterIn(turn, team),
      settings: settingsIn(turn, team),
      by: own,
      left: record?.kind === "release" ? record.names : [],
    };
    team.group = turn.teams.apply(team.group, turn.crypto.decode(next as Uint8Array));
    team.record.ended_by = commit_id;
    await enter(turn, team, { epoch, secret, ...was, added: record?.kind === "readmit" ? record.names : [] });
    if (record !== undefined && BRINGS_KEYS.has(record.kind)) {
      await keysOf(turn, team, [own]);
      team.record.healed = true;
      await planHealing(turn, team);
    }
    turn.healed = true;
  }
  await turn.removeCommit(id);
  if (record !== undefined) await endOrGoOn(turn, team, record);
}

/** The secret of direct frames in the present epoch. */
export function directSecret(turn: Turn, { group }: Team): Promise<Uint8Array> {
  return turn.teams.export(group, DIRECT, DIRECT_BYTES);
}

/** What of an epoch is of use in the next one. */
interface Before extends AsItWas {
  epoch: number;
  secret: Uint8Array;
  /** Whom the commit that ended it has added, those among them who were there before. */
  added: string[];
}

async function enter(turn: Turn, team: Team, before: Before): Promise<void> {
  team.record.epoch = before.epoch + 1;
  team.record.base = team.record.send_counter;
  team.record.entered_at = turn.now;
  team.record.direct_before = { epoch: before.epoch, secret: toBase64(before.secret) };
  team.dirty = true;
  await beginOrder(turn, team);
  const row = await learn(turn, team);
  await followBack(turn, team);
  if (before.added.length > 0) await leaveIfTooLarge(turn, row);
  await tellChange(turn, team, before);
  await comparePins(turn, team, before.roster);
  const now = new Map((await rosterIn(turn, team)).map(({ name, device }) => [name, device]));
  for (const { name, device } of before.roster) {
    if (!now.has(name)) await memberGone(turn, team, name);
    // Another device of it counts from the beginning.
    if (now.get(name) !== device) await forgetMember(turn, team, name);
  }
  if (now.size !== before.roster.length || before.roster.some(({ name }) => !now.has(name)))
    delete team.record.roster_epoch;
  for (const { name } of before.roster) if (before.added.includes(name)) await memberBack(turn, team, name);
  const had = new Set(before.roster.map(({ name }) => name));
  const fresh = [...now.keys()].filter((name) => !had.has(name) || before.added.includes(name));
  await keysOf(turn, team, fresh);
}
