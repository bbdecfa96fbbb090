/** Who was surely in a team, or surely not, by what was ordered and what was said of it. */
import type { ChangeEntry, TeamLedger } from "./ledger.ts";

type About = "in" | "out";

/** What a change makes of somebody, if it is about that one. */
function effectOn({ what, names, by }: ChangeEntry, name: string): About | undefined {
  if (what === "create") return by === name || names.includes(name) ? "in" : "out";
  if (what === "add" && names.includes(name)) return "in";
  if (what === "remove" && names.includes(name)) return "out";
  return what === "leave" && by === name ? "out" : undefined;
}

function changesOf({ changes }: TeamLedger, team: string, name: string): ChangeEntry[] {
  return [...changes.values()].filter(
    (change) => change.team === team && change.end !== "unchanged" && effectOn(change, name) !== undefined,
  );
}

interface Asked {
  team: string;
  name: string;
  from: number;
  /** Undefined: it is not known when that was over. */
  to: number | undefined;
  /** It was in the roster of then: whoever leaves is, until another member has committed that. */
  wasListed?: boolean;
}

/** Whether somebody was surely no member in all of a time: let go before, and not added by anything that may have happened until then. */
export function isOutFor(ledger: TeamLedger, { team, name, from, to = Infinity, wasListed = false }: Asked): boolean {
  const changes = changesOf(ledger, team, name);
  const outs = changes.filter(
    (change) => effectOn(change, name) === "out" && change.end === "changed" && !(wasListed && change.what === "leave"),
  );
  const ins = changes.filter((change) => effectOn(change, name) === "in");
  return outs.some(
    (out) =>
      (out.endedAt ?? Infinity) <= from &&
      ins.every((one) => one.issuedAt > to || (one.end === "changed" && (one.endedAt ?? Infinity) < out.issuedAt)),
  );
}

/** Whether somebody has to be a member at the end; undefined where changes overlap, or nobody knows what became of one. */
export function isMemberAtEnd(ledger: TeamLedger, team: string, name: string): boolean | undefined {
  const changes = changesOf(ledger, team, name).toSorted((a, b) => a.issuedAt - b.issuedAt);
  const last = changes.at(-1);
  if (last?.end !== "changed") return undefined;
  const isSure = changes.every(
    (one) => one === last || (one.end === "changed" && (one.endedAt ?? Infinity) < last.issuedAt),
  );
  return isSure ? effectOn(last, name) === "in" : undefined;
}
