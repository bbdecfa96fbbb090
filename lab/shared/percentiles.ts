/**
 * The value below which a share of all values lies, 0.99 for the 99th percentile. Between two of them it is what lies there in
 * proportion; NaN if there are none.
 */
export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (place % 1);
}

export function median(values: number[]): number {
  return percentile(values, 0.5);
}
