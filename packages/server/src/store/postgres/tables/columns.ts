/** The engine's word for a type of values, and whether they name the row. */
export type Columns<R> = { readonly [K in keyof R]: ColumnType };
export type ColumnType = "bigint" | "text" | "bytea" | "boolean";

/** Statements that write many rows of a table at once: each takes a list for each column. */
export interface TableWrites<R> {
  columns: Columns<R>;
  insert: string;
  /** Inserts, or changes the row with the same key. */
  upsert: string;
  /** Changes rows that are there. */
  update: string;
  /** Deletes by key. */
  remove: string;
  /** The lists for `insert`, `upsert` and `update`. */
  values(rows: readonly R[]): unknown[];
  /** The lists for `remove`. */
  keys(rows: readonly R[]): unknown[];
}

/** @param key Columns that name a row. */
export function tableWrites<R extends object>(
  table: string,
  key: readonly (keyof R & string)[],
  columns: Columns<R>,
): TableWrites<R> {
  const all = Object.keys(columns) as (keyof R & string)[];
  const rest = all.filter((name) => !key.includes(name));
  const lists = (names: readonly (keyof R & string)[]): string =>
    names.map((name, at) => `$${at + 1}::${columns[name]}[]`).join(", ");
  const where = (source: string): string => key.map((name) => `t.${name} = ${source}.${name}`).join(" AND ");
  const insert = `INSERT INTO ${table} (${all.join(", ")}) SELECT * FROM unnest(${lists(all)})`;
  const set = rest.map((name) => `${name} = excluded.${name}`).join(", ");
  const take = (rows: readonly R[], names: readonly (keyof R & string)[]): unknown[] =>
    names.map((name) => rows.map((row) => row[name] ?? null));
  return {
    columns,
    insert,
    upsert: `${insert} ON CONFLICT (${key.join(", ")}) DO ${rest.length === 0 ? "NOTHING" : `UPDATE SET ${set}`}`,
    update: `UPDATE ${table} t SET ${rest.map((name) => `${name} = x.${name}`).join(", ")}
      FROM unnest(${lists(all)}) x(${all.join(", ")}) WHERE ${where("x")}`,
    remove: `DELETE FROM ${table} t USING unnest(${lists(key)}) x(${key.join(", ")}) WHERE ${where("x")}`,
    values: (rows) => take(rows, all),
    keys: (rows) => take(rows, key),
  };
}
