/** Who is in a group, and what of each of them this agent's owner may want to know. */
import type { GroupCrypto } from "../crypto/mls/group.ts";
import { TeamCrypto } from "../crypto/mls/team.ts";
import { slotLength } from "../crypto/team/slots.ts";
import { rosterOf, type TeamMember } from "../crypto/team/roster.ts";
import { toBase64 } from "../protocol/index.ts";
import { readPart } from "../records/group-state.ts";
import { find, get, list, pad } from "../records/records.ts";
import type { TeamRecord } from "../records/team-records.ts";
import { type Tier, tierOfSender } from "../records/tier.ts";
import type { ReadTransaction } from "../store/store.ts";
import { standingOf } from "../trust/standing.ts";

/** A member of a group. Times in Unix milliseconds. */
export interface GroupMember {
  name: string;
  isAdmin: boolean;
  /** This agent. */
  isSelf: boolean;
  /** How far the owner trusts the identity that is in the group, which is `unknown` where it is not the pinned one. */
  trust: Tier;
  /** Its fingerprint was compared. */
  verified: boolean;
  /** Another identity is pinned for this name. */
  isChanged: boolean;
  /** Its device in the group, and which of its devices that is, from 1 on; undefined where the group cannot be read yet. */
  device: string | undefined;
  deviceCounter: number | undefined;
  /** When something came of it in this group last, to the day; undefined: nothing ever has, and perhaps its owner has not taken the invitation. */
  heardAt: number | undefined;
  /** Since when it has its keys of the group: since it was seen to get new ones, or else since it is known here. */
  keysAt: number;
  /** It has not given itself new keys for two rounds. */
  isKeyOld: boolean;
  /** The relay had to drop something for it: it gets nothing until it is taken in again. */
  isLapsed: boolean;
}

/** All of them, admins first by rank, then by name. */
export async function membersOf(
  tx: ReadTransaction,
  team: TeamRecord,
  { crypto, own, now }: { crypto: GroupCrypto; own: string; now: number },
): Promise<GroupMember[]> {
  const roster = new Map((await rosterIn(tx, crypto, team)).map((member) => [member.name, member]));
  const lapsed = await lapsedIn(tx, team);
  const round = 2 * roundOf(team.members.length);
  const rank = new Map(team.admins.map((name, place) => [name, place]));
  const order = (name: string): number => rank.get(name) ?? rank.size;
  const names = team.members.toSorted((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  const members: GroupMember[] = [];
  for (const name of names) {
    const leaf = roster.get(name);
    const known = await find(tx, "team-member/", `${team.group}/${name}`);
    const contact = await find(tx, "contact/", name);
    const identityKey = leaf === undefined ? undefined : toBase64(leaf.identityKey);
    const isSelf = name === own;
    const isChanged =
      !isSelf && identityKey !== undefined && contact !== undefined && contact.identity_key !== identityKey;
    const keysAt = known?.keys_at ?? team.since;
    members.push({
      name,
      isAdmin: rank.has(name),
      isSelf,
      trust: isSelf ? "trusted" : tierOfSender(identityKey, contact, await standingOf(tx, name)),
      verified: isSelf || (contact?.verified === true && !isChanged),
      isChanged,
      device: leaf?.device,
      deviceCounter: leaf?.counter,
      heardAt: isSelf ? now : known?.heard_at,
      keysAt,
      isKeyOld: now - keysAt > round,
      isLapsed: lapsed.has(name),
    });
  }
  return members;
}

/** How long it takes until each member has healed once. Milliseconds. */
function roundOf(members: number): number {
  const width = 2 ** Math.ceil(Math.log2(Math.max(2, members)));
  return slotLength(width, false) * width;
}

/** What the tree says; nothing of a group that is being founded, or that the store has lost. */
async function rosterIn(tx: ReadTransaction, crypto: GroupCrypto, { group }: TeamRecord): Promise<TeamMember[]> {
  const state = await crypto.assemble((name) => readPart(tx, group, name)).catch(() => undefined);
  return state === undefined ? [] : rosterOf(TeamCrypto.over(crypto.primitives).leaves(state));
}

/** To whom the relay did not take the newest of our messages on which not all have said their word. */
async function lapsedIn(tx: ReadTransaction, { group, members }: TeamRecord): Promise<Set<string>> {
  const lapsed = new Set<string>();
  const [newest] = await tx.list({ prefix: `sent/${group}/`, reverse: true, limit: 1 });
  if (newest === undefined) return lapsed;
  for (const name of members) {
    const to = await get(tx, "to/", `${pad(Number(newest[1]))}/${name}`);
    if (to?.state === "expired" && to.reason === "lapsed") lapsed.add(name);
  }
  return lapsed;
}

/** A change of a group that was asked for here, and is not made yet. */
export interface WaitingChange {
  kind: "create" | "add" | "remove" | "promote" | "demote" | "rename" | "leave";
  names: string[];
  /** Of `create` and `rename`. */
  name?: string;
  /** Our clock, Unix milliseconds. */
  askedAt: number;
}

const OF_OWNER: ReadonlySet<string> = new Set(["create", "add", "remove", "promote", "demote", "rename", "leave"]);

/** Those of all groups, by the key of each. */
export async function waitingChanges(tx: ReadTransaction): Promise<Map<string, WaitingChange[]>> {
  const changes = new Map<string, WaitingChange[]>();
  for (const { kind, key, names, name, at } of await list(tx, "op/")) {
    if (!OF_OWNER.has(kind)) continue;
    const change = { kind: kind as WaitingChange["kind"], names, ...(name === undefined ? {} : { name }), askedAt: at };
    changes.set(key, [...(changes.get(key) ?? []), change]);
  }
  return changes;
}
