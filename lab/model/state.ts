/** A state of all that take part, small enough to be one of millions. Members are named by their place among the names. */

/** A group at the relay. */
export interface Table {
  group: string;
  epoch: number;
  floor: number;
  members: readonly { box: number; joined: number; lapsed: boolean; leaves: boolean }[];
  /** The commits that it has admitted, those that one founding took among them. */
  log: number[];
}

/** never: it knows nothing of the team. out: it was removed, or has left. */
export type Phase = "never" | "open" | "stuck" | "out";

/** What is bounded: how often each may happen. */
export const BOUNDS = ["commits", "losses", "lapses", "devices", "crimes", "foundings", "lies"] as const;
export type Bounds = Record<(typeof BOUNDS)[number], number>;

export interface State {
  relay: Table[];
  /** What waits for each, by numbers: `c12` a commit, `w12` the Welcome of one, `f3` that of a founding, `n3` the notice that it has lapsed in the group of an epoch. */
  box: string[][];
  /** The counter of each one's device. */
  device: number[];
  phase: Phase[];
  /** The epoch that each holds, or -1. */
  at: number[];
  /** The commit of each that is under way, and how much of its mailbox it has to process before it is applied; -1: it was not answered. */
  pending: ({ commit: number; after: number } | undefined)[];
  /** Whom each has seen sign a forbidden commit. */
  accused: number[][];
  /** Where each was when it took a founding anew, or -1: others are compared with that by what it knew there. */
  before: number[];
  /** The epoch of the last Welcome that each has refused, or -1. */
  offered: number[];
  /** A founding that each has taken for another team, with a name of its own, or -1. */
  aside: number[];
  /** Statements that wait at the relay. */
  wishes: { group: string; who: number; kind: "leave" | "rejoin"; statements: number[] }[];
  /** All statements that were ever signed: everybody may have kept them. */
  said: number[];
  left: Bounds;
}

export function mailOf(kind: string, commitId: string): string {
  return kind === "welcome" ? (commitId.startsWith("f") ? commitId : `w${commitId}`) : `c${commitId}`;
}

/** A copy that may be changed. */
export function copy(state: State): State {
  return {
    relay: state.relay.map((table) => ({ ...table, log: [...table.log] })),
    box: state.box.map((one) => [...one]),
    device: [...state.device],
    phase: [...state.phase],
    at: [...state.at],
    pending: [...state.pending],
    accused: [...state.accused],
    before: [...state.before],
    offered: [...state.offered],
    aside: [...state.aside],
    wishes: [...state.wishes],
    said: [...state.said],
    left: { ...state.left },
  };
}

/** The state in letters, without what is left of its bounds. */
export function textOf(state: State): string {
  let text = "";
  for (const { group, epoch, floor, members, log } of state.relay) {
    text += `${group.slice(0, 12)},${epoch},${floor},${log.join(" ")}`;
    for (const { box, joined, lapsed, leaves } of members)
      text += `;${box},${joined}${lapsed ? "l" : ""}${leaves ? "g" : ""}`;
    text += "|";
  }
  for (const [who, box] of state.box.entries()) {
    const pending = state.pending[who];
    text += `${box.join()};${state.device[who]}${state.phase[who]!.slice(0, 2)}${state.at[who]},${state.before[who]},${state.offered[who]},${state.aside[who]};${state.accused[who]!.join()}`;
    text += pending === undefined ? "|" : `;${pending.commit},${pending.after}|`;
  }
  for (const { group, who, kind, statements } of state.wishes)
    text += `${group.slice(0, 12)}${who}${kind[0]}${statements.join()};`;
  return `${text}|${state.said.join()}`;
}
