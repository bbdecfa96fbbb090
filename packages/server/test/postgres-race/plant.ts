import { Link, type Sql } from "../../src/store/postgres/link/link.ts";

/** Changes what a connection is asked, or when. */
type Mistake = (sql: Sql) => Sql;

/** What is asked through all links made of late is asked wrongly, until it is disposed of. */
export function plant(mistake: Mistake): Disposable {
  // oxlint-disable-next-line typescript/unbound-method -- It is called with its link.
  const { use } = Link.prototype;
  const wrong = new WeakMap<Sql, Sql>();
  Link.prototype.use = async function (this: Link): Promise<Sql> {
    const sql = await use.call(this);
    const known = wrong.get(sql) ?? quietly(mistake(sql));
    wrong.set(sql, known);
    return known;
  };
  return { [Symbol.dispose]: () => void (Link.prototype.use = use) };
}

/** As of a connection, a promise may fail that nobody awaits. */
function quietly(sql: Sql): Sql {
  return (text, values) => {
    const rows = sql(text, values) as ReturnType<Sql>;
    rows.catch(() => {});
    return rows as never;
  };
}

const isLock = (text: string): boolean => text.includes("ORDER BY mailbox FOR NO KEY UPDATE");

export const mistakes: Record<string, Mistake> = {
  "no locks of mailboxes": (sql) => (text, values) =>
    sql(isLock(text) ? text.replace("FOR NO KEY UPDATE", "") : text, values),

  "what locks guard is read before they are there": (sql) => async (text, values) => {
    // Whatever is asked in the same turn leaves first.
    if (isLock(text)) await new Promise((resolve) => setImmediate(resolve));
    return sql(text, values);
  },

  "places are given before the locks": (sql) => {
    const spare: number[] = [];
    return async (text, values) => {
      if (!text.startsWith("SELECT nextval") || values?.[0] !== "blocks") return sql(text, values);
      const rows = await sql<{ number: number }>(text, values);
      spare.push(...rows.map(({ number }) => number));
      if (spare.length === rows.length)
        spare.push(...(await sql<{ number: number }>(text, values)).map((row) => row.number));
      return Object.assign(
        spare.splice(0, rows.length).map((number) => ({ number })),
        { count: rows.count },
      ) as never;
    };
  },

  "what was published is not looked up again": (sql) => (text, values) =>
    sql(text.startsWith("SELECT digest FROM key_packages") ? `${text} AND package IS NOT NULL` : text, values),
};
