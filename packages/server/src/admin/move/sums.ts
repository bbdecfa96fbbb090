import type { MovedTable } from "./tables.ts";

/** How many rows, and of each column the sum of its numbers, or of the bytes of its texts, as text. */
export type Sums = Record<string, string>;

export type Row = Record<string, unknown>;

/** Adds up the rows of a table as they pass. */
export class Adding {
  readonly #sums: Map<string, bigint>;
  count = 0;

  constructor({ columns }: MovedTable) {
    this.#sums = new Map(Object.keys(columns).map((name) => [name, 0n]));
  }

  add(row: Row): void {
    this.count += 1;
    for (const [name, sum] of this.#sums) {
      const value = row[name];
      if (value !== null) this.#sums.set(name, sum + BigInt(sizeOf(value)));
    }
  }

  get sums(): Sums {
    return { rows: String(this.count), ...Object.fromEntries([...this.#sums].map(([name, sum]) => [name, `${sum}`])) };
  }
}

function sizeOf(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "string") return Buffer.byteLength(value);
  return (value as Uint8Array).byteLength;
}

/** The same as the engine counts it. */
export function sumsQuery({ table, columns }: MovedTable): string {
  const sums = Object.entries(columns).map(([name, type]) => {
    const number = type === "boolean" ? `${name}::int` : type === "bigint" ? name : `octet_length(${name})`;
    return `coalesce(sum(${number}), 0)::text AS ${name}`;
  });
  return `SELECT count(*)::text AS rows, ${sums.join(", ")} FROM ${table}`;
}

/** What differs, as words: empty if nothing does. */
export function differences(table: string, there: Sums, here: Sums): string[] {
  return Object.keys(there).flatMap((name) =>
    there[name] === here[name] ? [] : [`${table}.${name}: ${there[name]} there, ${here[name]} here`],
  );
}
