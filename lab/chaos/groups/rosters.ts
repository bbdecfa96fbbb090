/** What all members of a team have to agree on, at the end and in each epoch on the way. */
import type { Verdict } from "../check.ts";
import { epochOf, type RelayTeam, type TeamBooks, type TeamState } from "./books.ts";
import type { TeamLedger } from "./ledger.ts";
import { isMemberAtEnd } from "./timeline.ts";

/** By which each epoch of a group is known, and to whom. */
export class Epochs {
  readonly #known = new Map<string, Map<string, string>>();

  add(who: string, group: string, mls: Uint8Array): void {
    const { epoch, authenticator } = epochOf(mls);
    const key = `${group.slice(0, 8)} epoch ${epoch}`;
    const known = this.#known.get(key) ?? new Map<string, string>();
    if (!known.has(authenticator)) known.set(authenticator, who);
    this.#known.set(key, known);
  }

  get count(): number {
    return this.#known.size;
  }

  /** Epochs that are not the same at all. */
  get split(): string[] {
    return [...this.#known]
      .filter(([, known]) => known.size > 1)
      .map(([key, known]) => `split: ${key} is ${[...known].map(([text, who]) => `${text} at ${who}`).join(", ")}`);
  }
}

function active(books: Map<string, TeamBooks>, about: string): [string, TeamState][] {
  return [...books].flatMap(([name, { teams }]) =>
    teams
      .filter((team) => team.about === about && team.state === "active")
      .map((team) => [name, team] as [string, TeamState]),
  );
}

interface Seen {
  books: Map<string, TeamBooks>;
  relay: Map<string, RelayTeam>;
}

/** What is the same at all. */
function shape({ key, name, admins, members, group, epoch, groupState }: TeamState): string {
  return JSON.stringify({
    key,
    name,
    admins,
    members: members.toSorted(),
    group: group.slice(0, 8),
    epoch,
    groupState,
  });
}

/** Those whom nobody can let go: where the last admin was made one again while it left, a group is closed to changes. */
function leavingForEver({ admins }: TeamState, table: RelayTeam | undefined): Set<string> {
  const leaving = table?.members.filter(({ leaves }) => leaves).map(({ name }) => name) ?? [];
  return new Set(admins.every((admin) => leaving.includes(admin)) ? leaving : []);
}

/** Why the members of a team do not agree yet; undefined: they do. */
export function disagreement(about: string, { books, relay }: Seen): string | undefined {
  const all = active(books, about);
  const [first] = all;
  if (first === undefined) return `nobody is in @${about}`;
  const [, team] = first;
  for (const [name, other] of all)
    if (shape(other) !== shape(team)) return `@${about}: ${first[0]} has ${shape(team)}, ${name} ${shape(other)}`;
  const here = all
    .map(([name]) => name)
    .toSorted()
    .join();
  const table = relay.get(team.group);
  const kept = leavingForEver(team, table);
  const members = team.members.toSorted().join();
  const there = team.members
    .filter((name) => !kept.has(name))
    .toSorted()
    .join();
  if (here !== there) return `@${about}: its members are ${there}, and in it are ${here}`;
  if (!team.admins.every((admin) => team.members.includes(admin)))
    return `@${about}: not all of its admins ${team.admins.join()} are members`;
  const told = table?.members
    .map(({ name }) => name)
    .toSorted()
    .join();
  if (told !== members) return `@${about}: its members are ${members}, and the relay's ${told}`;
  if (table?.epoch !== team.epoch) return `@${about}: is in epoch ${team.epoch}, and the relay in ${table?.epoch}`;
  const away = table?.members.find(({ name, lapsed, leaves }) => !kept.has(name) && (lapsed || leaves));
  return away === undefined ? undefined : `@${about}: to the relay ${away.name} has lapsed, or leaves`;
}

/** Changes that were promised are made. */
export function judgeRosters(verdict: Verdict, teams: string[], seen: Seen, ledger: TeamLedger): void {
  for (const about of teams) {
    const why = disagreement(about, seen);
    if (why !== undefined) verdict.other.push(why);
    const [first] = active(seen.books, about);
    if (first === undefined) continue;
    const [, team] = first;
    const kept = leavingForEver(team, seen.relay.get(team.group));
    for (const name of seen.books.keys()) {
      if (kept.has(name)) continue;
      const due = isMemberAtEnd(ledger, about, name);
      if (due !== undefined && due !== team.members.includes(name))
        verdict.lost.push(`a change was lost: ${name} should ${due ? "" : "not "}be in @${about}`);
    }
    const renames = [...ledger.changes.values()].filter(
      ({ what, team: of, end }) => of === about && what === "rename" && end !== "unchanged",
    );
    const last = renames.toSorted((a, b) => a.issuedAt - b.issuedAt).at(-1);
    const isSure = renames.every(
      (one) => one.end === "changed" && (one === last || (one.endedAt ?? Infinity) < (last?.issuedAt ?? 0)),
    );
    if (last !== undefined && isSure && team.name !== last.name)
      verdict.lost.push(`a change was lost: @${about} should be called ${last.name}, and is ${team.name}`);
    verdict.counts[`members of @${about}`] = team.members.length;
    verdict.counts[`epochs of @${about}`] = team.epoch ?? 0;
  }
}
