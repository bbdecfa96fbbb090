/** Frames of commits of teams: what stands in them, what is brought beside them, and how many members fit. [P-6.10] */
import type { OwnCommit } from "../crypto/mls/team-seam.ts";
import { keepCommit } from "../conversation/commits.ts";
import { fromBase64, randomId, type RelayFrameData, toBase64, usernameKey } from "../protocol/index.ts";
import type { LargePart } from "../records/group-records.ts";
import { pad, put } from "../records/records.ts";
import type { OpRecord } from "../records/team-records.ts";
import type { Turn } from "../turn/turn.ts";
import type { CommitData, Flight } from "./flight.ts";

type Keys = RelayFrameData<"keys">;

/** Bytes of a commit or a tree that stand in a frame; and no more than a part of the longest that the relay takes. */
const MOST_INLINE = 64 * 2 ** 10;
const PART_INLINE = 1 / 8;
/** What a Welcome has beside the settings, and what a frame has beside Welcomes and members, at most. Bytes. */
const WELCOME_BYTES = 1_800;
const FRAME_REST = 4_096;
/** Those whom a founding adds at once, and any later commit [P-15.3]. */
export const MOST_FOUNDING = 400;
export const MOST_ADDED = 200;

/** A commit of a group of more members takes longer than a turn has. */
const QUICK = 40;

export function takesLong(members: number): boolean {
  return members > QUICK;
}

/** A member by its device, as frames name it. */
export interface FrameMember {
  username: string;
  device: string;
}

export function deviceOf({ username, device }: Keys): FrameMember {
  return { username: usernameKey(username), device: device.id };
}

export function keyPackage({ key_package }: Keys): Uint8Array {
  return fromBase64(key_package);
}

/**
 * Those whom the next commit adds; where that is not all, the others wait with their key packages for the commits behind it.
 * @param room `settings`: bytes of the group's settings, which each Welcome holds; `members`: those that it has. Where all of that takes long, the
 *   commit is made in a later turn, until when all key packages wait
 */
export async function nextOf(
  turn: Turn,
  op: OpRecord,
  packages: Keys[],
  room: { most: number; settings: number; members: number },
): Promise<Keys[]> {
  const { most, settings, members } = room;
  let left = turn.account.relay.frame_bytes - FRAME_REST;
  let count = 0;
  for (const one of packages.slice(0, most)) {
    const { username, device } = deviceOf(one);
    const welcome = 4 * Math.ceil((WELCOME_BYTES + settings) / 3);
    left -=
      welcome +
      JSON.stringify([
        { to: username, device, welcome: "" },
        { username, device },
      ]).length;
    // One is tried in any case: the relay says what is wrong with it.
    if (left < 0 && count > 0) break;
    count += 1;
  }
  const isKept = count < packages.length || (count > 0 && takesLong(members + count));
  if (isKept && op.keys_kept !== true) {
    await put(turn.tx, "op-keys/", pad(op.seq), { keys: packages });
    await put(turn.tx, "op/", pad(op.seq), { ...op, keys_kept: true });
  }
  return packages.slice(0, count);
}

/** A commit, and what it adds to a group. */
export interface Made {
  commit?: Uint8Array;
  invitation?: OwnCommit["invitation"];
  added: FrameMember[];
}

/** Keeps a commit, and has it leave behind the turn. */
export async function postTeamCommit(
  turn: Turn,
  flight: Flight,
  { data, made, op }: { data: CommitData; made: Made; op: OpRecord },
): Promise<void> {
  const { commit: body, invitation, added } = made;
  const parts = { ...(body && { body }), ...(invitation && { tree: invitation.tree }) };
  const mostInline = Math.min(MOST_INLINE, PART_INLINE * turn.account.relay.frame_bytes);
  const large: LargePart[] = [];
  const frame: CommitData = { ...data };
  for (const field of ["body", "tree"] as const) {
    const bytes = parts[field];
    if (bytes === undefined) continue;
    const text = toBase64(bytes);
    if (bytes.length <= mostInline) frame[field] = text;
    else large.push({ field, bytes: text, token: randomToken(), request_id: randomId() });
  }
  if (invitation !== undefined)
    frame.welcomes = invitation.welcomes.map(({ welcome }, at) => ({
      to: added[at]?.username ?? "",
      device: added[at]?.device ?? "",
      welcome: toBase64(welcome),
    }));
  await keepCommit(turn, flight.postCommit, {
    kind: "team",
    op: op.seq,
    frame,
    ...(large.length > 0 ? { large } : {}),
  });
}

function randomToken(): string {
  return toBase64(globalThis.crypto.getRandomValues(new Uint8Array(32)));
}
