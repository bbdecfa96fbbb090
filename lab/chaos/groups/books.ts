/** What an agent's store says of its teams, and the relay's of the same. */
import { createHash } from "node:crypto";
import { SqliteStore } from "@aimessage/sdk/node";
import type { RosterRecord } from "../../../packages/sdk/src/records/team-records.ts";
import type { Relays } from "../relays/relays.ts";
import { decodeGroupStateWithoutTree } from "ts-mls/clientState.js";

interface Counts {
  group: string;
  epoch: number;
  all: number;
  received: number;
  handled: number;
  failed: number;
  expired: number;
  gone: number;
}

/** A message to a team in its sender's outbox. */
export interface TeamSent {
  seq: number;
  id: string;
  state: string;
  reason?: string;
  group?: string;
  recipients?: Counts;
  /** What is known of each for whom it was: `missing` where nothing is. */
  at: Map<string, { state: string; reason?: string }>;
  /** For whom an earlier sending of it was: one whose answer was lost may have arrived, and the next is for those of another epoch. */
  before: Set<string>;
}

export interface TeamState {
  key: string;
  about: string;
  name: string;
  admins: string[];
  members: string[];
  group: string;
  state: string;
  epoch: number | undefined;
  /** Of the MLS group. */
  groupState: string | undefined;
  /** Its MLS state. */
  mls: Uint8Array | undefined;
}

export interface TeamBooks {
  sent: Map<string, TeamSent>;
  /** Messages to teams, by id, in their order. */
  received: Map<string, { seq: number; from: string; state: string; reason?: string }>;
  teams: TeamState[];
  /** Changes and commits that wait. */
  waiting: string[];
}

/** Where a change waits, or a word that others wait for. */
const OPEN = ["queue/@", "op/", "commit/", "next/", "again/", "report/", "owed/"];

export async function readTeamBooks(folder: string): Promise<TeamBooks> {
  await using store = await SqliteStore.open(folder);
  return store.read(async (tx) => {
    const rows = async <T>(prefix: string): Promise<[string, T][]> =>
      (await tx.list({ prefix })).map(([key, value]) => [key, JSON.parse(value as string) as T]);
    const rosters = new Map(await rows<RosterRecord>("roster/"));
    const outcomes = new Map(await rows<{ state: string; reason?: string }>("to/"));
    const known = Map.groupBy(outcomes.keys(), (key) => key.split("/")[1] ?? "");
    const sent = new Map<string, TeamSent>();
    for (const [key, row] of await rows<TeamSent & { to: string; kind: string }>("out/")) {
      if (row.kind !== "message" || !row.to.startsWith("@")) continue;
      const { recipients } = row;
      const place = `roster/${recipients?.group}/${String(recipients?.epoch).padStart(16, "0")}`;
      const roster = rosters.get(place);
      if (recipients !== undefined && roster === undefined) throw new Error(`it is not known whom ${row.id} was for`);
      const names = (roster?.whom ?? []).map(([name]) => name);
      const seq = key.slice("out/".length);
      const at = names.map((name) => [name, outcomes.get(`to/${seq}/${name}`) ?? { state: "missing" }] as const);
      const before = new Set(known.get(seq)?.map((one) => one.split("/")[2] ?? ""));
      sent.set(row.id, { ...row, at: new Map(at), before });
    }
    const received = new Map<string, { seq: number; from: string; state: string }>();
    for (const [, row] of await rows<{ seq: number; id: string; from: string; state: string; team?: string }>("in/"))
      if (row.team !== undefined) received.set(row.id, row);
    const groups = new Map(await rows<{ epoch: number; state: string }>("team-group/"));
    const teams: TeamState[] = [];
    for (const [, team] of await rows<TeamState>("team/")) {
      const group = groups.get(`team-group/${team.group}`);
      const mls = await tx.get(`mls/${team.group}`);
      teams.push({ ...team, epoch: group?.epoch, groupState: group?.state, mls: mls as Uint8Array | undefined });
    }
    // Of pairs others ask, and what waits for hostile accounts, whose mailboxes are full, waits on.
    const isOfPair = (key: string) =>
      /^(commit|next)\//.test(key) && !groups.has(key.replace(/^(commit|next)/, "team-group"));
    const waiting = (await Promise.all(OPEN.map((prefix) => tx.list({ prefix }))))
      .flat()
      .filter(([key]) => !isOfPair(key))
      .map(([key, value]) => `${key}${typeof value === "string" ? ` ${value.slice(0, 200)}` : ""}`);
    return { sent, received, teams, waiting };
  });
}

/** What of an epoch is the same at all, from the small secrets of a state (`crypto/mls/parts.ts`). */
export function epochOf(mls: Uint8Array): { epoch: number; authenticator: string } {
  // The form, and how many leaves there are.
  const decoded = decodeGroupStateWithoutTree([])(mls, 5);
  if (decoded === undefined) throw new Error("this is no state of a group");
  const [{ groupContext, keySchedule }] = decoded;
  const authenticator = createHash("sha256").update(keySchedule.epochAuthenticator).digest("hex").slice(0, 16);
  return { epoch: Number(groupContext.epoch), authenticator };
}

export interface RelayTeam {
  epoch: number;
  members: { name: string; device: string; lapsed: boolean; leaves: boolean }[];
}

/** A row of one relay, and of several: where one has numbers the others have truth values. */
interface MemberRow {
  id: string;
  epoch: number;
  name: string;
  device: string;
  lapsed: number | boolean | null;
  leaves: number | boolean | null;
}

/** Teams as the relay has them. */
export async function readRelayTeams(relays: Relays): Promise<{ teams: Map<string, RelayTeam>; faults: string[] }> {
  const teams = new Map<string, RelayTeam>();
  const rows = await relays.ask<MemberRow>(
    "SELECT group_id AS id, epoch, name, device, lapsed, leaves FROM members JOIN groups USING (group_id) WHERE groups.team",
  );
  for (const { id, epoch, name, device, lapsed, leaves } of rows) {
    const team = teams.get(id) ?? { epoch, members: [] };
    team.members.push({ name, device, lapsed: Boolean(lapsed), leaves: Boolean(leaves) });
    teams.set(id, team);
  }
  const count = async (sql: string) => (await relays.ask<{ n: number }>(sql))[0]?.n ?? 0;
  const faults: string[] = [];
  const alone = await count(
    "SELECT count(*) n FROM bodies WHERE body NOT IN (SELECT body FROM entries WHERE body IS NOT NULL)",
  );
  const missing = await count(
    "SELECT count(*) n FROM entries WHERE body IS NOT NULL AND body NOT IN (SELECT body FROM bodies)",
  );
  const statements = await count("SELECT count(*) n FROM statements");
  if (alone > 0) faults.push(`the relay has ${alone} bodies of which no mailbox has a row`);
  if (missing > 0) faults.push(`the relay has ${missing} rows without their bodies`);
  if (statements > 0) faults.push(`the relay still has ${statements} statements of members`);
  return { teams, faults };
}
