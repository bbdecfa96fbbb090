export const DAY_MS = 24 * 3600 * 1000;

/** The day of a time (Unix milliseconds), counted from 1970: a row that notes its last use is written once a day. */
export function dayOf(time: number): number {
  return Math.floor(time / DAY_MS);
}
