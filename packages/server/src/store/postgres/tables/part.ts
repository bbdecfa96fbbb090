import type { Sql } from "../link/link.ts";

/** Reads what is missing. @param keys As they stand in `Missing` */
export type Look = (sql: Sql, keys: string[]) => Promise<void>;

/** Some of a batch's tables: how they are read, and written in the end. */
export interface Part {
  /** By the names of what may be missing. */
  readonly looks: Readonly<Record<string, Look>>;
  /** The batch is decided anew: forgets what was made, and not what was read. */
  undo(): void;
  /** Sends the statements that write what was made. They are done in the order of the calls. */
  write(send: Send): void;
}

/** Sends a statement without waiting for its end. */
export type Send = (text: string, values: readonly unknown[]) => void;

/** A key of several values as text, for maps and for `Missing`. */
export function keyOf(...values: (string | number)[]): string {
  return values.length === 1 ? String(values[0]) : JSON.stringify(values);
}

/** What {@link keyOf} was made of. */
export function valuesOf(key: string): unknown[] {
  return JSON.parse(key) as unknown[];
}
