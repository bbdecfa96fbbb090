/** Charged to an address beside what is stored, roughly: a row and its place in indexes. Bytes. */
export const ROW_BYTES = 100;

/** A group, two members, and their places in indexes. Each member of a team counts {@link ROW_BYTES} beside it. */
export const GROUP_BYTES = 5 * ROW_BYTES;

/** What a member's statement is charged for, to whoever has signed it and to the address of that. */
export function statementBytes(statement: string): number {
  return ROW_BYTES + statement.length;
}
