import * as fc from "fast-check";
import { mostly, pick, weighed } from "./values.ts";

type Repeat = "fresh" | "same" | "changed" | "none";
type Expires = "none" | "past" | "soon" | "later" | "far";

/** What of a commit is not as it should be. */
type CommitFault =
  | "none"
  | "twice"
  | "case"
  | "device"
  | "self"
  | "welcomes"
  | "tree"
  | "body"
  | "file"
  | "many"
  | "messages";

export interface TeamSayPlan {
  type: "say";
  team: number;
  /** Beside the team's present one. */
  epoch: number;
  /** To one of them alone; undefined: to all. */
  to: number | undefined;
  direct: boolean;
  repeat: Repeat;
  expires: Expires;
  resume: boolean;
  size: number;
}
export interface TeamCommitPlan {
  type: "team";
  founds: boolean;
  team: number;
  epoch: number;
  add: number[];
  remove: number[];
  /** Of those who are added one is in the team, and is removed by the same commit. */
  swap: boolean;
  repeat: Repeat;
  fault: CommitFault;
}
export type TeamPlan =
  | TeamSayPlan
  | TeamCommitPlan
  | { type: "leave" | "rejoin"; team: number; size: number }
  | { type: "groups" }
  | { type: "claim_several"; names: number[] };

const epoch = mostly(8, 0, -1, -1, -2, 1, 2 ** 40);
const repeat = mostly<Repeat>(6, "fresh", "same", "changed");
const expires = mostly<Expires>(6, "none", "past", "soon", "soon", "later", "far");

export const teamFrames = weighed<TeamPlan>(
  [
    12,
    fc.record({
      type: fc.constant("say" as const),
      team: pick,
      epoch,
      to: mostly<number | undefined>(3, undefined, 0, 1, 2, 3, 4, 9_999),
      direct: mostly<boolean>(8, true, false),
      repeat,
      expires,
      resume: mostly<boolean>(3, true, false),
      size: mostly(20, 0, 1, 200, 2000, 20_000),
    }),
  ],
  [
    5,
    fc.record({
      type: fc.constant("team" as const),
      founds: mostly<boolean>(4, false, true),
      team: pick,
      epoch,
      add: fc.array(pick, { maxLength: 4 }),
      remove: mostly<number[]>(2, [], [1], [2], [0], [1, 2], [1, 1], [9_999]),
      swap: mostly<boolean>(4, false, true),
      repeat: mostly<Repeat>(8, "fresh", "same", "changed"),
      fault: mostly<CommitFault>(
        8,
        "none",
        "twice",
        "case",
        "device",
        "self",
        "welcomes",
        "tree",
        "body",
        "file",
        "many",
        "messages",
      ),
    }),
  ],
  [0.4, fc.record({ type: fc.constant("leave" as const), team: pick, size: mostly(8, 64, 0, 768, 769) })],
  [1, fc.record({ type: fc.constant("rejoin" as const), team: pick, size: mostly(8, 64, 0, 768, 769) })],
  [1, fc.constant({ type: "groups" as const })],
  [
    1,
    fc.record({
      type: fc.constant("claim_several" as const),
      names: mostly(12, [1, 2], [], [0, 0], Array(50).fill(3), Array(51).fill(3)),
    }),
  ],
);
