import { writeDuration } from "@aimessage/sdk/program";

const BYTES: readonly [unit: string, size: number][] = [
  ["TiB", 1024 ** 4],
  ["GiB", 1024 ** 3],
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

/** The size of a file, for people, in the same units, in which limits are, too: `1.2 MiB`; from 10 on in whole ones. */
export function fileSize(bytes: number): string {
  const [unit, size] = BYTES.find(([, size]) => bytes >= size) ?? ["B", 1];
  const value = bytes / size;
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`;
}

/** Seconds or minutes or hours: `7 s`, `2:05`, `1:02:05`. Of milliseconds. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}:${two(seconds)}` : `${hours}:${two(minutes)}:${two(seconds)}`;
}

function two(value: number): string {
  return String(value % 60).padStart(2, "0");
}

/** A fraction in whole percent, of which 100 is all. */
export function percent(done: number, all: number): number {
  return all === 0 ? 100 : Math.floor((done / all) * 100);
}
