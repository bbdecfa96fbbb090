/** Loaded into the processes after the faults: plants a bug at run time, by which the checks show what they find. */
import { DatabaseSync, StatementSync } from "node:sqlite";
import type { Bug } from "./bugs.ts";

/** How long what was acknowledged is not on disk. */
const LATE_MS = 300;

const bug = process.env["CHAOS_BUG"] as Bug | "";
const isRelay = process.env["CHAOS_ROLE"] === "relay";
// oxlint-disable-next-line typescript/unbound-method -- it is called with the database that it is of
const exec = DatabaseSync.prototype.exec;
// oxlint-disable-next-line typescript/unbound-method -- likewise
const run = StatementSync.prototype.run;

if (bug === "ack-before-commit" && isRelay) acknowledgeBeforeCommit();
if (bug === "reused-seq" && isRelay) reuseNumbers();
if (bug === "no-dedup" && !isRelay) forgetIds();

/** A commit succeeds at once, and reaches the disk a moment later; who is killed between has promised too much. */
function acknowledgeBeforeCommit(): void {
  let late = false;
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    if (sql === "BEGIN" && late) return;
    if (sql !== "COMMIT") return exec.call(this, sql);
    if (late) return;
    late = true;
    setTimeout(() => {
      late = false;
      if (this.isTransaction) exec.call(this, "COMMIT");
    }, LATE_MS);
  };
}

/** What a table without AUTOINCREMENT does: numbers begin again behind the highest that is there. */
function reuseNumbers(): void {
  DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
    if (sql === "COMMIT")
      exec.call(
        this,
        "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(seq), 0) FROM entries) WHERE name = 'entries'",
      );
    return exec.call(this, sql);
  };
}

function forgetIds(): void {
  StatementSync.prototype.run = function (this: StatementSync, ...values: Parameters<typeof run>) {
    const key: unknown = values[0];
    if (typeof key === "string" && key.startsWith("seen/")) return { changes: 1, lastInsertRowid: 0 };
    return run.apply(this, values);
  } as typeof run;
}
