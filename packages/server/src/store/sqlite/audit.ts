import type { DatabaseSync } from "node:sqlite";
import type { AuditLine, Deed, DeedDone, RefusalCount } from "../store.ts";

/** Rows that are kept. Apart, so that a flood of refusals does not wash away what administrators did. */
const KEPT = { deed: 20_000, refusal: 80_000 };

interface Row {
  kind: AuditLine["kind"];
  at: number;
  who: string;
  what: string;
  target: string | null;
  outcome: string | null;
  count: number | null;
}

export type Audit = ReturnType<typeof auditTable>;

/** What administrators did, and what was refused. */
export function auditTable(db: DatabaseSync, clock: () => number) {
  const insertDeed = db.prepare(
    "INSERT INTO audit (kind, at, who, what, target, outcome) VALUES ('deed', ?, ?, ?, ?, ?)",
  );
  const addRefusals = db.prepare(
    `INSERT INTO audit (kind, at, who, what, count) VALUES ('refusal', ?, ?, ?, ?)
      ON CONFLICT (at, what, who) WHERE kind = 'refusal' DO UPDATE SET count = count + excluded.count`,
  );
  const trim = db.prepare(
    `DELETE FROM audit WHERE kind = ?1 AND number <=
      (SELECT number FROM audit WHERE kind = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)`,
  );

  return {
    add({ who, what, target, release }: Deed, outcome: DeedDone["outcome"]): void {
      // That a name was given free matters to whoever had it.
      insertDeed.run(clock(), who, release ? `${what}, release` : what, target, outcome);
      trim.run("deed", KEPT.deed);
    },
    countRefusals(counts: RefusalCount[]): void {
      for (const { hour, reason, who, count } of counts) addRefusals.run(hour, who, reason, count);
      trim.run("refusal", KEPT.refusal);
    },
    last: (count: number) => lastLines(db, count),
  };
}

/** The newest lines, oldest first, of one kind or of both. Only reads. */
export function lastLines(db: DatabaseSync, count: number, kind?: AuditLine["kind"]): AuditLine[] {
  const rows = db
    .prepare("SELECT * FROM audit WHERE kind = coalesce(?, kind) ORDER BY number DESC LIMIT ?")
    .all(kind ?? null, count) as unknown as Row[];
  return rows.reverse().map(toLine);
}

function toLine({ kind, at, who, what, target, outcome, count }: Row): AuditLine {
  if (kind === "refusal") return { kind, hour: at, reason: what, who, count: count ?? 0 };
  return {
    kind,
    at,
    who,
    what,
    target: target ?? "",
    outcome: (outcome ?? "done") as DeedDone["outcome"],
  };
}
