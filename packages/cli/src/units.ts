import { writeDuration } from "@aimessage/sdk/program";

const BYTES: readonly [unit: string, size: number][] = [
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
];

/** A limit for people: `frame_bytes` 65536 is `frame` 64 KiB, `mailbox_age_ms` 1209600000 is `mailbox_age` 14d. */
export function readableLimit(name: string, value: number): [name: string, value: string] {
  if (/_bytes(_|$)/.test(name)) return [name.replace("_bytes", ""), inBytes(value)];
  if (name.endsWith("_ms")) return [name.replace(/_ms$/, ""), writeDuration(value)];
  return [name, String(value)];
}

/** In the largest unit of which there is one, with a decimal if it needs one. */
function inBytes(value: number): string {
  const [unit, size] = BYTES.find(([, size]) => value >= size) ?? ["bytes", 1];
  return `${Number((value / size).toFixed(1))} ${unit}`;
}
