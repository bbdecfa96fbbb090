import { readDuration, writeDuration } from "@aimessage/sdk/program";
import { InvalidArgumentError } from "commander";

/** `30s`, `15m`, `1h`, `7d` in milliseconds. */
export function duration(text: string): number {
  const value = readDuration(text);
  if (value === undefined || value === 0) throw new InvalidArgumentError("Write it as 30s, 15m, 1h or 7d.");
  return value;
}

/** The longest wait, in milliseconds: AbortSignal.timeout takes 32 bits of them, and a timer 31. */
const LONGEST_WAIT = 24 * 86_400_000;

/** How long to wait: a duration, or a bare number of seconds, in milliseconds. */
export function patience(text: string): number {
  const value = readDuration(text, "s");
  if (value === undefined || value === 0 || value > LONGEST_WAIT)
    throw new InvalidArgumentError(`Write seconds, or 90s, 15m, 1h, up to ${writeDuration(LONGEST_WAIT)}.`);
  return value;
}

/** A number of things, at least one. */
export function count(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("Write a whole number from 1.");
  return Number(text);
}

/** A port: 1 to 65535. */
export function port(text: string): number {
  const value = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Infinity;
  if (value > 65_535) throw new InvalidArgumentError("Write a number from 1 to 65535.");
  return value;
}

const SIZES: Record<string, number> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** The size of a file: `500MiB`, `1GiB`, or bytes; also in powers of 1,000 (`500MB`). */
export function size(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,12}(?:\.\d{1,3})?)(B|[KMG]i?B)?$/.exec(text) ?? [];
  if (digits === "") throw new InvalidArgumentError("Write it as 500MiB, 1GiB, or a number of bytes.");
  return Math.floor(Number(digits) * (SIZES[unit] ?? 1));
}

/** Help on an argument that is a message id. */
export const MESSAGE_ID = "its id, or the first six characters of it, or more";
