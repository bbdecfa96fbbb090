/** Commits of teams: others', which are judged and followed, and our own, once they are admitted. */
import { GroupError } from "../crypto/mls/seam.ts";
import { DIRECT, DIRECT_BYTES } from "../crypto/team/direct.ts";
import { followChange } from "../crypto/team/changes.ts";
import { certifiedBy, type TeamMember } from "../crypto/team/roster.ts";
import { aheadOf } from "./team-ahead.ts";
import { sendAllToOne } from "./team-resend.ts";
import { type Delivery, fromBase64, isBase64, toBase64, usernameKey } from "../protocol/index.ts";
import type { CommitRecord } from "../records/group-records.ts";
import { get, pad } from "../records/records.ts";
import { planHealing } from "./team-healing.ts";
import type { OpRecord } from "../records/team-records.ts";
import { goneFrom } from "./team-outcomes.ts";
import { heardFrom, keysOf } from "./team-heard.ts";
import { addLinkOp, endOrGoOn } from "./team-ops.ts";
import { learn, rosterIn, settingsIn } from "./teams.ts";
import { forgetMember, type Team, teamOf } from "../turn/teams.ts";
import type { Turn } from "../turn/turn.ts";

/** Changes that give us new keys as well. */
const BRINGS_KEYS: ReadonlySet<OpRecord["kind"]> = new Set(["update", "remove", "release", "readmit"]);

/** A commit of another member of a team. */
export async function receiveTeamCommit(turn: Turn, team: Team, delivery: Delivery): Promise<void> {
  const { record } = team;
  const epoch = delivery.epoch ?? -1;
  const from = usernameKey(delivery.from);
  if (record.state !== "open" || epoch < record.epoch) return;
  if (epoch > record.epoch) return stuck(turn, team, from, "a commit is missing");
  const { body } = delivery;
  if (typeof body !== "string" || !isBase64(body)) return stuck(turn, team, from, "its commit is not there");
  const pending = turn.cache.commits.get(record.id);
  const before = await directSecret(turn, team);
  let followed: Awaited<ReturnType<typeof followChange>>;
  try {
    const ahead = turn.cache.between.get(aheadOf(delivery), team.group);
    followed = (ahead as typeof followed | undefined) ?? (await followChange(turn.teams, team.group, fromBase64(body)));
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return stuck(turn, team, from, error.message);
  }
  if (followed.kind === "removed") return retire(turn, team);
  if (followed.kind === "refused") return stuck(turn, team, from, followed.reason);
  if (followed.kind === "unusable") return stuck(turn, team, from, followed.cause.message);
  // The winner is applied: ours for the same epoch lost, and its change is made anew.
  if (pending !== undefined) await turn.removeCommit(record.id);
  turn.consumed.push(...followed.consumed);
  const roster = await rosterIn(turn, team);
  team.group = followed.group;
  const added: string[] = [];
  for (const proposal of followed.commit.proposals) {
    const said = proposal.kind === "add" ? await certifiedBy(proposal.certificate) : undefined;
    if (said !== undefined) added.push(said.name);
  }
  await enter(turn, team, { epoch, secret: before, roster, added });
  const committer = await certifiedBy(followed.commit.committer.certificate);
  if (committer !== undefined) await heardFrom(turn, team, committer.name, followed.commit.path !== "none");
}

/** Applies our own admitted commit, once our mailbox is processed up to where it stood when the commit was admitted. */
export async function applyTeamCommit(turn: Turn, { group: id, op }: CommitRecord): Promise<void> {
  const team = await teamOf(turn, id);
  const next = await turn.tx.get(`next/${id}`);
  const record = op === undefined ? undefined : await get(turn.tx, "op/", pad(op));
  if (team !== undefined && next !== undefined) {
    const { epoch } = team.record;
    const secret = await directSecret(turn, team);
    const before = await rosterIn(turn, team);
    team.group = turn.teams.apply(team.group, turn.crypto.decode(next as Uint8Array));
    await enter(turn, team, { epoch, secret, roster: before, added: record?.kind === "readmit" ? record.names : [] });
    if (record !== undefined && BRINGS_KEYS.has(record.kind)) {
      await keysOf(turn, team, [usernameKey(turn.account.identity.username)]);
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
interface Before {
  epoch: number;
  secret: Uint8Array;
  roster: TeamMember[];
  /** Whom the commit that ended it has added, those among them who were there before. */
  added: string[];
}

async function enter(turn: Turn, team: Team, before: Before): Promise<void> {
  team.record.epoch = before.epoch + 1;
  team.record.base = team.record.send_counter;
  team.record.entered_at = turn.now;
  team.record.direct_before = { epoch: before.epoch, secret: toBase64(before.secret) };
  team.dirty = true;
  await learn(turn, team);
  const now = new Map((await rosterIn(turn, team)).map(({ name, device }) => [name, device]));
  for (const { name, device } of before.roster) {
    if (!now.has(name)) await goneFrom(turn, team, name);
    // Another device of it counts from the beginning.
    if (now.get(name) !== device) await forgetMember(turn, team, name);
  }
  for (const { name } of before.roster) if (before.added.includes(name)) await sendAllToOne(turn, team, name);
  const had = new Set(before.roster.map(({ name }) => name));
  const fresh = [...now.keys()].filter((name) => !had.has(name) || before.added.includes(name));
  await keysOf(turn, team, fresh);
}

/** Nothing of the team can be followed any more: any member may take us in again. */
async function stuck(turn: Turn, team: Team, from: string, why: string): Promise<void> {
  await askToRejoin(turn, team);
  await turn.alert(
    "bad_commit",
    from,
    `a commit of ${from} in a group cannot be followed: ${why}; this agent asks to be taken in again`,
  );
}

/** The relay had to drop something that we need. */
export async function lapse(turn: Turn, team: Team): Promise<void> {
  if (team.record.state !== "open") return;
  await askToRejoin(turn, team);
  const { name } = settingsIn(turn, team);
  await turn.alert(
    "lapsed",
    undefined,
    `mail of the group @${name} was lost at the relay: this agent asks to be taken in again`,
  );
}

async function askToRejoin(turn: Turn, team: Team): Promise<void> {
  const { key, id } = team.record;
  team.record.state = "stuck";
  team.dirty = true;
  await addLinkOp(turn, { kind: "rejoin", key, group: id, names: [] });
}

/** We are no member any more. */
export async function retire(turn: Turn, team: Team): Promise<void> {
  await learn(turn, team, { state: "over" });
  team.record.state = "closed";
  team.dirty = true;
  await turn.removeCommit(team.record.id);
}
