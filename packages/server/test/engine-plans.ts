import type { Sql } from "../src/store/postgres/link/link.ts";

interface Step {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Cond"?: string;
  "Recheck Cond"?: string;
  "TID Cond"?: string;
  Plans?: Step[];
}

/** Tables, or parts of one, of which a plan of a statement reads all rows, or looks for some without an index. */
export async function readWhole(sql: Sql, text: string): Promise<string[]> {
  await sql(`PREPARE asked AS ${text}`);
  try {
    const [known] = await sql<{ count: number }>(
      "SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = 'asked'",
    );
    const nothing = Array.from({ length: known?.count ?? 0 }, () => "NULL").join(", ");
    const [row] = await sql<{ "QUERY PLAN": [{ Plan: Step }] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE asked${nothing === "" ? "" : `(${nothing})`}`,
    );
    const plan = row?.["QUERY PLAN"][0].Plan;
    return [...new Set(plan === undefined ? [] : tablesReadWhole(plan))];
  } finally {
    await sql("DEALLOCATE asked");
  }
}

function tablesReadWhole(step: Step): string[] {
  const table = step["Relation Name"];
  const condition = step["Index Cond"] ?? step["Recheck Cond"] ?? step["TID Cond"];
  const isRead = step["Node Type"].endsWith("Scan") && condition === undefined;
  const own = table !== undefined && isRead ? [table.replace(/_\d+$/, "")] : [];
  return [...own, ...(step.Plans ?? []).flatMap(tablesReadWhole)];
}
