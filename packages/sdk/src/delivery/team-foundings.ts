/** Founding teams: new ones, and anew with those whom we saw do nothing that is forbidden. [P-15.9] */
import { settingsAnew } from "../crypto/team/foundings.ts";
import { foundTeam } from "../crypto/team/changes.ts";
import { certifiedBy } from "../crypto/team/roster.ts";
import { encodeSettings, type TeamSettings } from "../crypto/team/settings.ts";
import { groupIdOf } from "../crypto/mls/state.ts";
import { endOp } from "../conversation/team-ops.ts";
import { lastKnown, learn, newTeamGroup } from "../conversation/teams.ts";
import { equal, fromBase64, randomId, type RelayFrameData, usernameKey } from "../protocol/index.ts";
import { list, pad } from "../records/records.ts";
import type { OpRecord, TeamGroupRecord } from "../records/team-records.ts";
import { beginOrder } from "../turn/team-order.ts";
import { addTeam, type Team, teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import type { Flight } from "./flight.ts";
import { deviceOf, keyPackage, MOST_FOUNDING, nextOf, postTeamCommit, takesLong } from "./team-frames.ts";
import { use } from "./packages.ts";
import {
  type ChangeAnswer,
  computed,
  fail,
  isUnderWay,
  claimedFor,
  isUsable,
  keptKeys,
  objectionTo,
  takeKeys,
} from "./team-needs.ts";

type Keys = RelayFrameData<"keys">;

/** `of`: what the founding is computed from; `known`: what is known of the group before it has an id. */
interface NewGroup {
  of: string;
  settings: TeamSettings;
  packages: Keys[];
  known: Pick<TeamGroupRecord, "key"> & Partial<TeamGroupRecord>;
}

/** Makes the commit that founds a new team, once the key packages have come. */
export async function foundNew(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  keys: ChangeAnswer["answer"] | undefined,
): Promise<void> {
  // Where it is there and no commit is, its records were lost: nothing comes of it any more.
  if ((await turn.tx.get(`team/${op.key}`)) !== undefined)
    return isUnderWay(turn, op) ? undefined : fail(turn, op, "internal");
  const all = await takeKeys(turn, flight, op, keys);
  if (all === undefined) return;
  const own = usernameKey(turn.account.identity.username);
  const settings: TeamSettings = {
    key: keyOf(op),
    name: op.name ?? "",
    about: op.about ?? "",
    foundedAt: turn.relayNow,
    admins: [own],
    replaces: "",
  };
  const room = { most: MOST_FOUNDING, settings: encodeSettings(settings).length, members: 1 };
  const packages = await nextOf(turn, op, all, room);
  const team = await foundGroup(turn, flight, op, { of: op.key, settings, packages, known: { key: op.key } });
  if (team !== undefined) await learn(turn, team, { state: "founding" });
}

/** Makes the foundings whose key packages have come. */
export async function foundTeamsAnew(turn: Turn, flight: Flight, answers: ChangeAnswer[]): Promise<void> {
  for (const op of await list(turn.tx, "op/")) {
    if (op.kind !== "refound" || isUnderWay(turn, op)) continue;
    const answer = answers.find((one) => one.op === op.seq)?.answer;
    await turn.on(`op/${pad(op.seq)}`, () => foundAnew(turn, flight, op, answer));
  }
}

async function foundAnew(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  answer: ChangeAnswer["answer"] | undefined,
): Promise<void> {
  const old = await teamOf(turn, op.group ?? "");
  // Somebody has taken us in meanwhile.
  if (old?.record.state !== "stuck") return endOp(turn, op.seq);
  const all = await packagesOf(turn, flight, { op, old, answer });
  if (all === undefined) return;
  const own = usernameKey(turn.account.identity.username);
  const anew = settingsAnew(await lastKnown(turn, old), old.record.id);
  const room = { most: MOST_FOUNDING, settings: encodeSettings(anew).length, members: 1 };
  const packages = await nextOf(turn, op, all, room);
  const there = new Set([own, ...packages.map(({ username }) => usernameKey(username))]);
  // Whoever cannot be added is none of its admins.
  const settings = { ...anew, admins: anew.admins.filter((admin) => there.has(admin)) };
  const { key, shared } = old.record;
  const known = { key, founder: own, ...(shared === undefined ? {} : { shared }) };
  await foundGroup(turn, flight, op, { of: old.record.id, settings, packages, known });
}

/** Founds the group of a team, and posts its first commit. Undefined: not yet, or it cannot be, and has failed. */
async function foundGroup(
  turn: Turn,
  flight: Flight,
  op: OpRecord,
  { of, settings, packages, known }: NewGroup,
): Promise<Team | undefined> {
  const { identity, device } = turn.account;
  const founding = {
    groupId: globalThis.crypto.getRandomValues(new Uint8Array(32)),
    leaf: device,
    members: packages.map(keyPackage),
    now: turn.relayNow,
  };
  const run = () => foundTeam(turn.teams, settings, founding);
  const made = await computed(turn, op, { of, run, isLater: takesLong(1 + packages.length) });
  if (made === undefined) return undefined;
  const id = groupIdOf(made.group);
  const team = addTeam(turn, newTeamGroup(turn, { ...known, id, epoch: 2, state: "founding" }), made.group);
  await beginOrder(turn, team);
  const added = packages.map(deviceOf);
  const members = [{ username: usernameKey(identity.username), device: device.id }, ...added];
  await postTeamCommit(turn, flight, {
    data: { commit_id: randomId(), group_id: id, epoch: 1, team: true, members },
    made: { invitation: made.invitation, added },
    op,
  });
  use(flight, id, packages);
  return team;
}

/** Key packages of all who can be added, under the identity that they had in the team. Undefined: not yet, or it has failed. */
async function packagesOf(
  turn: Turn,
  flight: Flight,
  { op, old, answer }: { op: OpRecord; old: Team; answer: ChangeAnswer["answer"] | undefined },
): Promise<Keys[] | undefined> {
  if (op.keys_kept === true) return keptKeys(turn, flight, op);
  const claimed = await claimedFor(turn, flight, op, answer);
  if (claimed === undefined || !isUsable(turn, flight, op, claimed)) return undefined;
  const { roster, settings } = await lastKnown(turn, old);
  const packages: Keys[] = [];
  for (const given of claimed.keys) {
    const member = roster.find(({ name }) => name === usernameKey(given.username));
    const said = await certifiedBy(fromBase64(given.device.certificate));
    const isSame = member !== undefined && said !== undefined && equal(said.identityKey, member.identityKey);
    if (isSame && op.names.includes(member.name) && (await objectionTo(turn, given)) === undefined)
      packages.push(given);
  }
  // Those whom the first commit adds may be admins.
  const isAdmin = ({ username }: Keys): number => Number(settings.admins.includes(usernameKey(username)));
  if (packages.length > 0) return packages.toSorted((a, b) => isAdmin(b) - isAdmin(a));
  await fail(turn, op, "nobody_to_add");
  return undefined;
}

/** The key of a team as its settings have it. */
function keyOf({ key }: OpRecord): Uint8Array {
  return Uint8Array.from(key.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
