/** What a move is, and what the relay asks members for. */
import { holdsFor } from "../../packages/sdk/src/crypto/team/statements.ts";
import { equal } from "../../packages/sdk/src/protocol/index.ts";
import { type Book, certificate, type Change, NAMES } from "./book.ts";
import type { Step } from "./members.ts";
import type { Bounds, State } from "./state.ts";

export interface Move {
  who: number;
  what: string;
  /** On a copy. @returns what has happened, or undefined if it cannot be */
  act: (step: Step) => string | undefined;
  /** What of the bounds it takes. */
  costs?: Partial<Bounds>;
}

/** Who holds an open epoch in which the relay has it, too. */
export const isOpen = (state: State, who: number): boolean => state.phase[who] === "open" && state.at[who]! >= 0;

/** What the relay asks a member to commit for others. */
export function asked(state: State, book: Book, who: number): Change[] {
  const on = book.epochs[state.at[who]!]!;
  return state.wishes.flatMap(({ group, who: other, kind, statements }): Change | [] => {
    const member = on.roster.find(({ name }) => name === NAMES[other]);
    if (group !== on.group || other === who || member === undefined) return [];
    const next = certificate(member.name, state.device[other]!);
    const isNewer = next.counter > member.counter;
    const needsWord = kind === "leave" || !isNewer;
    // Of its words the one that holds: without one an admin may do it all the same.
    const place = { group, epoch: on.epoch, leaf: on.digests.get(member.leaf)! };
    const fitting = statements.filter((at) => {
      const word = book.statements[at]!;
      return needsWord && (book.rules.choosesWord ? holdsFor(word, kind, member, place) : equal(word.leaf, place.leaf));
    });
    const said = book.rules.choosesWord ? fitting.slice(0, 1) : fitting;
    return kind === "leave"
      ? { what: `lets ${member.name} go`, remove: [member.leaf], statements: said }
      : { what: `takes ${next.device} in again`, remove: [member.leaf], add: [next], statements: said };
  });
}
