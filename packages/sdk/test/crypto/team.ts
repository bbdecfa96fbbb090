/** A team of members in one process, for tests. */
import { TeamCrypto } from "../../src/crypto/mls/team.ts";
import type { Authenticate, Group, KeyPackagePair, LeafKeys } from "../../src/crypto/mls/seam.ts";
import type { Change, Followed, Invitation, Judge, OwnCommit, TeamMessage } from "../../src/crypto/mls/team-seam.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { utf8 } from "../../src/protocol/index.ts";

export const anyone: Authenticate = async () => true;
export const everything: Judge = async () => undefined;
export const now: number = Date.now();
export const groupId: Uint8Array = new Uint8Array(32).fill(9);
export const none: Uint8Array = new Uint8Array();

/** The protocol's suite with a faster way to agree on keys, so that thousands of commits take seconds. */
export const quickProvider: CryptoProvider = {
  getCiphersuiteImpl: (suite) =>
    nodeCryptoProvider.getCiphersuiteImpl({ ...suite, hpke: { ...suite.hpke, kem: "DHKEM-X25519-HKDF-SHA256" } }),
};

/** The two doors to one suite: members of teams make their key packages as those of pairs do. */
export interface Crypto {
  pairs: GroupCrypto;
  teams: TeamCrypto;
}

export async function cryptoOf(provider: CryptoProvider): Promise<Crypto> {
  return { pairs: await GroupCrypto.load(provider), teams: await TeamCrypto.load(provider) };
}

/** Somebody who can be added. */
export interface Outsider {
  name: string;
  leaf: LeafKeys;
  keyPackage: KeyPackagePair;
}

export interface Member extends Outsider {
  group: Group;
}

export async function outsider({ pairs }: Crypto, name: string, certificate = utf8(name)): Promise<Outsider> {
  const leaf = { ...(await pairs.generateKeys()), certificate };
  return { name, leaf, keyPackage: await pairs.makeKeyPackage(leaf, now) };
}

export async function join({ teams }: Crypto, who: Outsider, { welcomes, tree }: Invitation): Promise<Member> {
  const mine = welcomes.find(({ ref }) => ref === who.keyPackage.ref);
  if (mine === undefined) throw new Error(`no Welcome for ${who.name}`);
  const { group } = await teams.join({ welcome: mine.welcome, tree }, who.keyPackage.secret, who.leaf, anyone);
  return { ...who, group };
}

/** A team of so many, in epoch 2; the first one has founded it. */
export async function team(
  crypto: Crypto,
  size: number,
  settings: Uint8Array = utf8("settings"),
  id: Uint8Array = groupId,
): Promise<Member[]> {
  const [first, ...others] = await Promise.all(
    Array.from({ length: size }, (_, index) => outsider(crypto, `m${index}`)),
  );
  const founded = await crypto.teams.found({
    groupId: id,
    leaf: first!.leaf,
    settings,
    members: others.map(({ keyPackage }) => keyPackage.public),
    now,
    authenticate: anyone,
  });
  const members = [{ ...first!, group: founded.group }];
  for (const other of others) members.push(await join(crypto, other, founded.invitation));
  return members;
}

export function commit(
  { teams }: Crypto,
  by: Member,
  change: Change = {},
  data: Uint8Array = none,
): Promise<OwnCommit> {
  return teams.commit(by.group, change, data, { now, authenticate: anyone });
}

export async function follow({ teams }: Crypto, who: Member, bytes: Uint8Array, judge = everything): Promise<Followed> {
  const followed = await teams.follow(who.group, bytes, judge, anyone);
  if (followed.kind === "applied") who.group = followed.group;
  return followed;
}

/** `by` commits a change that is admitted, and all others follow. Gives those who have joined by it; those removed are gone from `members`. */
export async function change(
  crypto: Crypto,
  members: Member[],
  by: Member,
  what: Change & { joining?: Outsider[] } = {},
): Promise<Member[]> {
  const { joining = [], ...rest } = what;
  const add = joining.map(({ keyPackage }) => keyPackage.public);
  const made = await commit(crypto, by, joining.length > 0 ? { ...rest, add } : rest);
  for (const member of members.slice()) {
    if (member === by) continue;
    const { kind } = await follow(crypto, member, made.commit);
    if (kind === "removed") members.splice(members.indexOf(member), 1);
    else if (kind !== "applied") throw new Error(`${member.name}: ${kind}`);
  }
  by.group = crypto.teams.apply(by.group, made.pending);
  const joined: Member[] = [];
  for (const who of joining) joined.push(await join(crypto, who, made.invitation!));
  members.push(...joined);
  return joined;
}

export async function say({ teams }: Crypto, by: Member, text: string): Promise<Uint8Array> {
  const { group, message } = await teams.encrypt(by.group, utf8(text), utf8("bound"));
  by.group = group;
  return message;
}

export async function hear({ teams }: Crypto, who: Member, message: Uint8Array): Promise<TeamMessage> {
  const read = await teams.decrypt(who.group, message);
  who.group = read.group;
  return read;
}
