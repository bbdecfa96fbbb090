/** The units of time that both programs read and write. Milliseconds of each. */
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;

/**
 * Reads `30s`, `1.5m`, `2h`, `14d` or `250ms`.
 * @param bare the unit of a number that names none; without it such a number is no duration
 * @returns whole milliseconds, at least 1 of what is more than nothing; undefined if it is no duration
 */
export function readDuration(text: string, bare?: Unit): number | undefined {
  const [, digits, unit = bare] = /^(\d{1,12}(?:\.\d{1,9})?)(ms|[smhd])?$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const exact = Number(digits) * UNITS[unit as Unit];
  const value = exact > 0 ? Math.max(1, Math.round(exact)) : 0;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A duration as {@link readDuration} reads it, in the largest unit of which it is a multiple. */
export function writeDuration(milliseconds: number): string {
  for (const [unit, size] of Object.entries(UNITS).toReversed())
    if (milliseconds >= size && milliseconds % size === 0) return `${milliseconds / size}${unit}`;
  return `${milliseconds}ms`;
}
