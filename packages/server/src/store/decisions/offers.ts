import type { Offer } from "../store.ts";
import type { Offering, Tables, WaitingStatement } from "./tables.ts";
import { each } from "./work.ts";

/** Whoever has a statement has so long to commit it, before another member gets it; and how soon it is looked again whether there is any. Milliseconds. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 4_000;
const LAST_LOOK_MS = 60_000;
/** After so many members have had one, it waits, twice as long each time. */
const TRIES = 3;
const LAST_WAIT_MS = 3_600_000;

/** Whoever has acknowledged or committed something since is surely there, and has a statement before the others. Milliseconds. */
const LATELY_MS = 600_000;

/**
 * Gives statements that are due to members that listen, each to the one behind the member that had it last: whoever gets one commits it, or
 * does not, and then the next one may. In the first round those have it first who were heard of lately: a connection may be there of which
 * the other end is dead. Those of which nothing is left to be done are forgotten. [P-6.11]
 */
export function offerStatements(tables: Tables, now: number): Offer[] {
  const { statements } = tables;
  const offers = each(statements.due(now), (waiting): Offer[] => {
    const to = takerOf(tables, waiting, now);
    if (to === "over") {
      statements.remove(waiting.groupId, [waiting.name]);
      return [];
    }
    const { groupId, kind, statement, name } = waiting;
    statements.setOffering(groupId, name, offeringOf(waiting, to, now));
    if (to === undefined) return [];
    return [{ mailbox: to, groupId, kind, statement, username: tables.accounts.find(name)?.username ?? name }];
  });
  return offers.flat();
}

/** @param to The member that has it now; undefined: nobody was there */
function offeringOf({ offeredTo, tries, looks }: WaitingStatement, to: number | undefined, now: number): Offering {
  // Of a team in which nobody listens for long there may be many.
  if (to === undefined)
    return { offeredTo, tries, looks: looks + 1, dueAt: now + Math.min(LOOK_MS * 2 ** looks, LAST_LOOK_MS) };
  const count = tries + 1;
  const isOver = count % TRIES === 0;
  const wait = isOver ? Math.min(PATIENCE_MS * 2 ** (count / TRIES), LAST_WAIT_MS) : PATIENCE_MS;
  return { offeredTo: to, tries: count, looks: 0, dueAt: now + wait };
}

function takerOf(
  tables: Tables,
  { groupId, name, offeredTo, tries }: WaitingStatement,
  now: number,
): number | "over" | undefined {
  const { groups, heard } = tables;
  const members = [...(groups.find(groupId)?.members.values() ?? [])];
  if (!members.some((member) => member.name === name)) return "over";
  const able = members
    .filter((member) => !member.lapsed && !member.leaves && member.name !== name && tables.isListening(member.mailbox))
    .map(({ mailbox }) => mailbox)
    .toSorted((one, other) => one - other);
  const lively = tries < TRIES ? able.filter((mailbox) => now - (heard.get(mailbox) ?? -Infinity) < LATELY_MS) : [];
  for (const some of [lively, able]) {
    const next = some.find((mailbox) => mailbox > offeredTo) ?? some[0];
    if (next !== undefined && next !== offeredTo) return next;
  }
  return able[0];
}
