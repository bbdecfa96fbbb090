/** What of a team's mail takes long, and is computed before the turn that it changes: commits of large groups, and joining them. */
import { followChange, joinTeam } from "../crypto/team/changes.ts";
import { type Delivery, fromBase64, isBase64 } from "../protocol/index.ts";
import { teamOf } from "../turn/groups.ts";
import type { Turn } from "../turn/turn.ts";
import { rosterIn } from "./teams.ts";
import { packageOf } from "./welcomes.ts";

/** A commit of a group of fewer members, and a tree of fewer characters, take no longer than a turn has. */
const LARGE_MEMBERS = 50;
const LARGE_TREE = 128 * 1024;

/** By which it is known what was computed for an entry of our mailbox. */
export function aheadOf({ seq }: Delivery): string {
  return `pushed/${seq}`;
}

/** Whether a turn may go into an entry. If not, all behind it waits for the next one. */
export async function isComputed(turn: Turn, delivery: Delivery): Promise<boolean> {
  const at = aheadOf(delivery);
  if (turn.aside.has(at)) return true;
  if (delivery.kind === "commit") return isFollowed(turn, delivery);
  return delivery.kind !== "welcome" || isJoined(turn, delivery);
}

async function isFollowed(turn: Turn, delivery: Delivery): Promise<boolean> {
  const { group_id: id = "", body, epoch } = delivery;
  const team = await teamOf(turn, id);
  if (team?.record.state !== "open" || team.record.epoch !== epoch) return true;
  if (typeof body !== "string" || !isBase64(body)) return true;
  if ((await rosterIn(turn, team)).length < LARGE_MEMBERS) return true;
  const at = aheadOf(delivery);
  const { group } = team;
  turn.cache.between.hold(id, at);
  return turn.cache.between.isThere({ at, of: group, run: () => followChange(turn.teams, group, fromBase64(body)) });
}

async function isJoined(turn: Turn, delivery: Delivery): Promise<boolean> {
  const { message, tree } = delivery;
  if (typeof tree !== "string" || tree.length < LARGE_TREE || !isBase64(message) || !isBase64(tree)) return true;
  const invited = { welcome: fromBase64(message), tree: fromBase64(tree) };
  const key = await packageOf(turn, invited.welcome);
  if (key === undefined) return true;
  const { device } = turn.account;
  const run = () => joinTeam(turn.teams, invited, key.secret, device);
  return turn.cache.between.isThere({ at: aheadOf(delivery), of: "", run });
}
