/** Ten thousand plans of commits, more or less likely: what the rules let through never harms a team. [P-15.3] */
import { expect, it } from "vitest";
import type { Certified, TeamMember } from "../../src/crypto/team/roster.ts";
import { type EpochBefore, forbidden, forbiddenTeam, type Plan } from "../../src/crypto/team/rules.ts";
import type { TeamSettings } from "../../src/crypto/team/settings.ts";
import type { Statement } from "../../src/crypto/team/statements.ts";
import { Random, seed } from "../random.ts";
import { before, certificate, digestOf, group } from "./team-plans.ts";

const said = ({ name, device }: Certified) => ({ name, device });

/** A plan of anything, more or less likely. */
function anything(random: Random, roster: readonly TeamMember[], settings: TeamSettings): Plan {
  const one = () => roster[random.int(roster.length)]!;
  const some = (most: number) => Array.from({ length: random.int(most + 1) }, one);
  const kind = random.int(6);
  const removed = kind < 2 ? [] : some(2);
  const adds = [
    ...(kind === 3 || kind === 4
      ? removed.map(({ name, counter }) => certificate(name, counter + random.int(3) - 1))
      : []),
    ...(kind === 2 || random.int(8) === 0
      ? Array.from({ length: random.int(3) }, () => certificate(`new${random.int(9)}`))
      : []),
    ...(random.int(12) === 0 ? [certificate(one().name, 2, random.int(2) === 0 ? "mallory" : one().name)] : []),
  ];
  const changes =
    kind === 1 || random.int(20) === 0
      ? [
          {
            ...settings,
            name: `n${random.int(9)}x`,
            admins: [...new Set(some(3).map(({ name }) => name))],
            ...(random.int(9) === 0 ? { foundedAt: 7 } : {}),
          },
        ]
      : [];
  const statements = removed.flatMap((member): Statement[] =>
    random.int(3) === 0
      ? []
      : [
          {
            kind: adds.some(({ name }) => name === member.name) === random.int(8) > 0 ? "rejoin" : "leave",
            group,
            name: member.name,
            device: member.device,
            epoch: 70 - random.int(70),
            leaf: digestOf(member.leaf),
          },
        ],
  );
  return {
    committer: one().leaf,
    path: random.int(10) === 0 ? "none" : "same",
    removes: removed.map(({ leaf }) => ({ leaf, digest: digestOf(leaf) })),
    adds,
    settings: changes.filter(({ admins }) => admins.length > 0),
    hasOthers: random.int(40) === 0,
    data: { commitId: "c", added: adds.map(said), removed: removed.map(said), statements: [] },
    statements,
  };
}

/** The team after an allowed plan, as a tree places its leaves. */
function applied(plan: Plan, before: EpochBefore): EpochBefore {
  const gone = new Set(plan.removes.map(({ leaf }) => leaf));
  const members = before.roster.filter(({ leaf }) => !gone.has(leaf));
  const taken = new Set(members.map(({ leaf }) => leaf));
  let next = 0;
  for (const add of plan.adds) {
    while (taken.has(next)) next++;
    taken.add(next);
    members.push({ ...add!, leaf: next });
  }
  return { ...before, settings: plan.settings[0] ?? before.settings, roster: members };
}

it(`all members judge it alike, admins are members, and no name is there twice (seed ${seed})`, () => {
  const random = new Random();
  let [allowed, state] = [0, before];
  for (let round = 0; round < 10_000; round++) {
    const wanted = anything(random, state.roster, state.settings);
    const verdicts = new Set(
      state.roster.map((_, member) => {
        // Each has it from elsewhere, in an order of its own.
        const theirs = structuredClone({
          ...state,
          roster: [...state.roster.slice(member), ...state.roster.slice(0, member)],
        });
        return forbidden(structuredClone(wanted), theirs);
      }),
    );
    expect(verdicts.size).toBe(1);
    if (!verdicts.has(undefined)) continue;
    allowed++;
    const { admins } = state.settings;
    const next = applied(wanted, state);
    expect(forbiddenTeam(next.settings, next.roster)).toBeUndefined();
    // Who is an admin stays there, and keeps its identity, as everybody else does who stays.
    for (const member of next.roster) {
      const old = state.roster.find(({ name }) => name === member.name);
      if (old !== undefined) expect(member.identityKey).toEqual(old.identityKey);
    }
    expect(admins.every((admin) => next.roster.some(({ name }) => name === admin))).toBe(true);
    const by = state.roster.find(({ leaf }) => leaf === wanted.committer)!;
    if (wanted.settings.length > 0) expect(admins).toContain(by.name);
    if (next.roster.length > 2 && next.roster.length < 12) state = next;
  }
  expect(allowed).toBeGreaterThan(500);
});
