/**
 * When a member of a team gives itself new keys. Each leaf of the tree has a slot of its own in a round, neighbours far from each other: what one
 * commit writes on its path is not yet written again by the next. [P-15.11]
 */

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 86_400_000;

export interface Place {
  leaf: number;
  /** Leaves that the tree has room for: a power of two. */
  width: number;
}

/** How long a slot is. Milliseconds. */
export function slotLength(width: number, isFirstRound: boolean): number {
  const length = Math.max(QUARTER_MS, DAY_MS / width);
  return isFirstRound ? length / 10 : length;
}

/** The moment in its next slot at which a member heals. `now` and the result by the relay's clock, Unix ms; `random` from 0 to 1. */
export function nextHealing({ leaf, width }: Place, now: number, length: number, random: number): number {
  const slot = reversed(leaf % width, Math.log2(width));
  const present = Math.floor(now / length);
  const ahead = (slot - (present % width) + width) % width || width;
  return Math.floor((present + ahead + random) * length);
}

/** A number with its bits in the opposite order. */
function reversed(number: number, bits: number): number {
  let result = 0;
  for (let bit = 0; bit < bits; bit++) result = result * 2 + ((number >> bit) & 1);
  return result;
}
