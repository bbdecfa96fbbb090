import type { Offer } from "./store.ts";
import type { WaitingStatement } from "./statements.ts";
import type { Tables } from "./tables.ts";

/**
 * Gives statements that are due to members that listen, each to the one behind the member that had it last: whoever gets one commits it, or
 * does not, and then the next one may. Those of which nothing is left to be done are forgotten. [P-6.11]
 */
export function offerStatements(tables: Tables, now: number): Offer[] {
  const { statements } = tables;
  return statements.due(now).flatMap((waiting) => {
    const to = takerOf(tables, waiting);
    if (to === "over") {
      statements.remove(waiting.groupId, [waiting.name]);
      return [];
    }
    statements.offered(waiting, to, now);
    if (to === undefined) return [];
    const { groupId, kind, statement, name } = waiting;
    return [{ mailbox: to, groupId, kind, statement, username: tables.accounts.find(name)?.username ?? name }];
  });
}

function takerOf(
  { groups, isListening }: Tables,
  { groupId, name, offeredTo }: WaitingStatement,
): number | "over" | undefined {
  const members = [...(groups.find(groupId)?.members.values() ?? [])];
  if (!members.some((member) => member.name === name)) return "over";
  const able = members
    .filter((member) => !member.lapsed && !member.leaves && member.name !== name && isListening(member.mailbox))
    .map(({ mailbox }) => mailbox)
    .toSorted((one, other) => one - other);
  return able.find((mailbox) => mailbox > offeredTo) ?? able[0];
}
