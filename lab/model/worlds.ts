/** What is explored: who takes part, who is hostile, what happens how often at most. */
import { NAMES } from "./book.ts";
import type { Bounds } from "./state.ts";

export interface World {
  name: string;
  /** Who is in the team at first, and which of these are admins: places among the names. */
  members: number[];
  admins: string[];
  /** Who keeps to nothing. */
  hostile: number | undefined;
  /** Changes that honest members make, as far as they may. */
  wishes: readonly Wish[];
  bounds: Bounds;
}

export type Wish = readonly ["update" | "leave"] | readonly ["add" | "remove" | "promote" | "demote", who: number];

const [ALICE, BOB, CAROL, DAVE] = [0, 1, 2, 3] as const;
const NOTHING: Bounds = { commits: 0, losses: 0, lapses: 0, devices: 0, crimes: 0, foundings: 0, lies: 0 };
const all = [ALICE, BOB, CAROL];
const admins = [NAMES[ALICE]!, NAMES[BOB]!];
const wishes = [
  ["update"],
  ["promote", CAROL],
  ["demote", ALICE],
  ["add", DAVE],
  ["remove", CAROL],
  ["leave"],
] as const;

/** quick: some seconds, in the tests. short: a minute. full: several. */
export const SIZES = ["quick", "short", "full"] as const;
export type Size = (typeof SIZES)[number];

export function worlds(size: Size): World[] {
  const pick = (...of: [quick: Partial<Bounds>, short: Partial<Bounds>, full: Partial<Bounds>]) => ({
    ...NOTHING,
    ...of[SIZES.indexOf(size)],
  });
  return [
    {
      name: "all are honest",
      members: all,
      admins,
      hostile: undefined,
      wishes,
      bounds: pick(
        { commits: 2, losses: 1 },
        { commits: 2, losses: 1, lapses: 1, devices: 1 },
        { commits: 3, losses: 1, lapses: 1 },
      ),
    },
    {
      name: "a member is hostile",
      members: [...all, DAVE],
      admins,
      hostile: CAROL,
      wishes: [["update"], ["remove", CAROL]],
      bounds: pick(
        { commits: 2, crimes: 1, foundings: 1 },
        { commits: 2, crimes: 1, lapses: 1, foundings: 1 },
        { commits: 2, crimes: 2, lapses: 1, foundings: 1 },
      ),
    },
    {
      name: "an admin is hostile",
      members: all,
      admins,
      hostile: BOB,
      wishes: [["update"], ["promote", CAROL], ["demote", BOB]],
      bounds: pick(
        { commits: 1, crimes: 2, foundings: 1 },
        { commits: 2, crimes: 2, foundings: 2 },
        { commits: 2, crimes: 2, lapses: 1, foundings: 2 },
      ),
    },
    {
      name: "the relay lies",
      members: all,
      admins,
      hostile: undefined,
      wishes: [["update"], ["remove", CAROL], ["demote", ALICE]],
      bounds: pick(
        { commits: 1, lapses: 1, foundings: 1, lies: 1 },
        { commits: 2, lapses: 1, foundings: 1, lies: 1 },
        { commits: 2, lapses: 1, foundings: 2, lies: 1 },
      ),
    },
  ];
}
