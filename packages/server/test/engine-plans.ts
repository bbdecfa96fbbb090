/** What the engine says of how it does a statement (PostgreSQL, EXPLAIN). */
import type { Sql } from "../src/store/postgres/link/link.ts";

interface Step {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Cond"?: string;
  "Recheck Cond"?: string;
  "TID Cond"?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  Plans?: Step[];
}

/** Does a statement. @returns the steps of its plan, with how many rows each has given */
export function stepsDone(sql: Sql, text: string, values?: readonly unknown[]): Promise<Step[]> {
  return explain(sql, `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
}

/** How many rows steps have given. */
export function rowsOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + (step["Actual Rows"] ?? 0) * (step["Actual Loops"] ?? 0), 0);
}

/** Tables, or parts of one, of which a plan of a statement reads all rows, or looks for some without an index. */
export async function readWhole(sql: Sql, text: string): Promise<string[]> {
  await sql(`PREPARE asked AS ${text}`);
  try {
    const [known] = await sql<{ count: number }>(
      "SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = 'asked'",
    );
    const nothing = Array.from({ length: known?.count ?? 0 }, () => "NULL").join(", ");
    const steps = await explain(sql, `EXPLAIN (FORMAT JSON) EXECUTE asked${nothing === "" ? "" : `(${nothing})`}`);
    return [...new Set(steps.filter(isWhole).flatMap((step) => step["Relation Name"]?.replace(/_\d+$/, "") ?? []))];
  } finally {
    await sql("DEALLOCATE asked");
  }
}

function isWhole(step: Step): boolean {
  const condition = step["Index Cond"] ?? step["Recheck Cond"] ?? step["TID Cond"];
  return step["Node Type"].endsWith("Scan") && condition === undefined;
}

async function explain(sql: Sql, text: string, values?: readonly unknown[]): Promise<Step[]> {
  const [row] = await sql<{ "QUERY PLAN": [{ Plan: Step }] }>(text, values);
  if (row === undefined) throw new Error("the engine has no plan");
  return stepsFrom(row["QUERY PLAN"][0].Plan);
}

function stepsFrom(step: Step): Step[] {
  return [step, ...(step.Plans ?? []).flatMap(stepsFrom)];
}
