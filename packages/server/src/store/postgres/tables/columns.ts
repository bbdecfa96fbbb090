/** The engine's word for a type of values, and whether they name the row. */
export type Columns<R> = { readonly [K in keyof R]: ColumnType };
export type ColumnType = "bigint" | "text" | "bytea" | "boolean";

/** A statement, and a list for each of its columns. */
type Statement = [text: string, values: unknown[]];

/** Statements that write many rows of a table at once. */
export interface TableWrites<R> {
  columns: Columns<R>;
  /** Inserts rows, without the columns that are null in all of them: these have no other default. */
  insert(rows: readonly R[]): Statement;
  /** Changes rows that are there, given as they were and as they are to be: the columns that differ in any of them, and those that go with them. */
  update(rows: readonly (readonly [before: R, after: R])[]): Statement;
  /** Inserts, or changes the row with the same key. */
  upsert: string;
  /** Deletes by key. */
  remove: string;
  /** The lists for `upsert`. */
  values(rows: readonly R[]): unknown[];
  /** The lists for `remove`. */
  keys(rows: readonly R[]): unknown[];
}

/** So many statements of a table are kept ready by the engine that name some of its columns: then it is all of them. */
const MOST_SELECTIONS = 40;

/**
 * @param key Columns that name a row.
 * @param together Columns that are written if one of them is: the fewer selections there are, the longer each serves.
 */
export function tableWrites<R extends object>(
  table: string,
  key: readonly (keyof R & string)[],
  columns: Columns<R>,
  together: readonly (readonly (keyof R & string)[])[] = [],
): TableWrites<R> {
  type Name = keyof R & string;
  const all = Object.keys(columns) as Name[];
  const lists = (names: readonly Name[]): string =>
    names.map((name, at) => `$${at + 1}::${columns[name]}[]`).join(", ");
  const where = (source: string): string => key.map((name) => `t.${name} = ${source}.${name}`).join(" AND ");
  const rest = (names: readonly Name[]): Name[] => names.filter((name) => !key.includes(name));
  const insert = (names: readonly Name[]): string =>
    `INSERT INTO ${table} (${names.join(", ")}) SELECT * FROM unnest(${lists(names)})`;
  const update = (names: readonly Name[]): string =>
    `UPDATE ${table} t SET ${rest(names)
      .map((name) => `${name} = x.${name}`)
      .join(", ")} FROM unnest(${lists(names)}) x(${names.join(", ")}) WHERE ${where("x")}`;
  const set = rest(all).map((name) => `${name} = excluded.${name}`);
  const take = (rows: readonly R[], names: readonly Name[]): unknown[] =>
    names.map((name) => rows.map((row) => row[name] ?? null));
  const texts = new Map<string, string>();
  /** The statement for some columns, beside those of the key. */
  const select = (what: "insert" | "update", needed: readonly Name[]): { text: string; names: Name[] } => {
    const groups = together.filter((group) => group.some((name) => needed.includes(name)));
    const wanted = new Set<Name>([...key, ...needed, ...groups.flat()]);
    const names = all.filter((name) => wanted.has(name));
    const id = `${what} ${names.join()}`;
    const known = texts.get(id);
    if (known !== undefined) return { text: known, names };
    if (names.length < all.length && texts.size >= MOST_SELECTIONS) return select(what, all);
    const text = what === "insert" ? insert(names) : update(names);
    texts.set(id, text);
    return { text, names };
  };
  return {
    columns,
    insert: (rows) => {
      const isThere = (name: Name): boolean => rows.some((row) => (row[name] ?? null) !== null);
      const { text, names } = select("insert", all.filter(isThere));
      return [text, take(rows, names)];
    },
    update: (rows) => {
      const differs = (name: Name): boolean => rows.some(([before, after]) => before[name] !== after[name]);
      const changed = rest(all).filter(differs);
      // Something has to be set, though it be what it is.
      const { text, names } = select("update", changed.length > 0 ? changed : rest(all).slice(0, 1));
      const after = rows.map(([, row]) => row);
      return [text, take(after, names)];
    },
    upsert: `${insert(all)} ON CONFLICT (${key.join(", ")}) DO ${set.length === 0 ? "NOTHING" : `UPDATE SET ${set.join(", ")}`}`,
    remove: `DELETE FROM ${table} t USING unnest(${lists(key)}) x(${key.join(", ")}) WHERE ${where("x")}`,
    values: (rows) => take(rows, all),
    keys: (rows) => take(rows, key),
  };
}
