// Statements that write many rows name the columns that matter.
import { describe, expect, test } from "vitest";
import { tableWrites } from "../src/store/postgres/tables/columns.ts";

interface Row {
  id: number;
  name: string | null;
  note: string | null;
  count: number;
}

const table = () =>
  tableWrites<Row>("rows", ["id"], { id: "bigint", name: "text", note: "text", count: "bigint" } as const);
const row = (id: number, more: Partial<Row> = {}): Row => ({ id, name: null, note: null, count: 0, ...more });

describe("the writes of a table", () => {
  test("insert what is not null in some row", () => {
    expect(table().insert([row(1), row(2, { note: "b" })])).toEqual([
      "INSERT INTO rows (id, note, count) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])",
      [
        [1, 2],
        [null, "b"],
        [0, 0],
      ],
    ]);
  });

  test("change what differs in some row, to nothing, too, and by the key", () => {
    const changed: [Row, Row][] = [
      [row(1, { name: "a", note: "b" }), row(1, { name: "a" })],
      [row(2, { note: "c" }), row(2, { note: "c" })],
    ];
    const [text, values] = table().update(changed);
    expect(text).toBe(
      "UPDATE rows t SET note = x.note FROM unnest($1::bigint[], $2::text[]) x(id, note) WHERE t.id = x.id",
    );
    expect(values).toEqual([
      [1, 2],
      [null, "c"],
    ]);
  });

  test("change what goes with what differs, and something where nothing does", () => {
    const columns = { id: "bigint", name: "text", note: "text", count: "bigint" } as const;
    const grouped = tableWrites<Row>("rows", ["id"], columns, [["note", "count"]]);
    const set = (before: Row, after: Row) => /SET (.*) FROM/.exec(grouped.update([[before, after]])[0])?.[1];
    expect(set(row(1), row(1, { count: 2 }))).toBe("note = x.note, count = x.count");
    expect(set(row(1), row(1, { name: "a" }))).toBe("name = x.name");
    expect(set(row(1), row(1))).toBe("name = x.name");
  });

  test("are a statement of all columns where there would be more different ones than the engine is to keep", () => {
    const names = Array.from({ length: 50 }, (_, at) => `column${at}`);
    const wide = tableWrites<Record<string, unknown>>(
      "rows",
      ["id"],
      Object.fromEntries(["id", ...names].map((name) => [name, "text"])),
    );
    const texts = new Set<string>();
    for (const name of names) texts.add(wide.insert([{ id: "1", [name]: "a" }])[0]);
    expect(texts.size).toBe(41);
    expect(wide.insert([{ id: "1", column0: "a" }])).toEqual([
      expect.stringContaining("(id, column0)"),
      [["1"], ["a"]],
    ]);
    expect(wide.insert([{ id: "1", column49: "a" }])[1]).toHaveLength(51);
  });
});
