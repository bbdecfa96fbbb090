/** What happens to teams, beside the faults: who writes to them, and how they are changed. */
import { random } from "../../../test/processes/processes.ts";

/** Teams, and how many of all agents are in each when it is founded: its founder and those behind it, in a circle. */
export const TEAMS = [
  { founder: 0, share: 1 },
  { founder: 1, share: 2 / 3 },
  { founder: 2, share: 1 / 2 },
] as const;

/** How often each is picked. */
const KINDS = { add: 5, remove: 3, promote: 2, demote: 2, rename: 2, leave: 1 } as const;
export type ChangeKind = keyof typeof KINDS;
/** Changes that are ordered in a cycle: as many, and up to two more. Of ten seven are made: in 500 cycles a thousand. */
const LEAST_CHANGES = 2;
/** Of cycles, those in which an agent is restored from a backup. */
const NEW_DEVICE = 0.12;

export type Dice = [number, number, number];

export interface TeamMail {
  at: number;
  team: number;
  from: number;
  dice: Dice;
}

export interface PlannedChange {
  at: number;
  team: number;
  kind: ChangeKind;
  dice: Dice;
}

export interface TeamCycle {
  mail: TeamMail[];
  changes: PlannedChange[];
  newDevice: { at: number; agent: number } | undefined;
}

/** As `plan` for pairs: of the seed alone. */
export function* planTeams(seed: number, agents: number, messages: number): Generator<TeamCycle, never> {
  const next = random(seed ^ 0x7ea5);
  const whole = (below: number) => Math.floor(next() * below);
  const dice = (): Dice => [next(), next(), next()];
  const kinds = Object.entries(KINDS).flatMap(([kind, weight]) => Array<ChangeKind>(weight).fill(kind as ChangeKind));
  for (;;) {
    const mail: TeamMail[] = [];
    for (let count = 0; count < messages; count++)
      mail.push({ at: next(), team: whole(TEAMS.length), from: whole(agents), dice: dice() });
    const changes: PlannedChange[] = [];
    for (let count = LEAST_CHANGES + whole(3); count > 0; count--)
      changes.push({ at: next(), team: whole(TEAMS.length), kind: kinds[whole(kinds.length)] ?? "add", dice: dice() });
    const newDevice = next() < NEW_DEVICE ? { at: next(), agent: whole(agents) } : undefined;
    yield { mail: mail.toSorted((a, b) => a.at - b.at), changes, newDevice };
  }
}
