const BYTES: readonly [unit: string, size: number][] = [
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
];
const TIMES: readonly [unit: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** A limit for people: `frame_bytes` 65536 is `frame` 64 KiB, `mailbox_age_ms` 1209600000 is `mailbox_age` 14 d. */
export function readableLimit(name: string, value: number): [name: string, value: string] {
  if (/_bytes(_|$)/.test(name)) return [name.replace("_bytes", ""), scaled(value, BYTES, "bytes")];
  if (name.endsWith("_ms")) return [name.replace(/_ms$/, ""), scaled(value, TIMES, "ms")];
  return [name, String(value)];
}

/** In the largest unit of which there is one, with a decimal if it needs one. */
function scaled(value: number, units: readonly [string, number][], smallest: string): string {
  const [unit, size] = units.find(([, size]) => value >= size) ?? [smallest, 1];
  return `${Number((value / size).toFixed(1))} ${unit}`;
}
