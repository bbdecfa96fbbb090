import { InvalidArgumentError } from "commander";

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `15m`, `1h`, `7d` in milliseconds. */
export function duration(text: string): number {
  const [, count, unit = ""] = /^([1-9][0-9]{0,8})([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (count === undefined || factor === undefined) throw new InvalidArgumentError("Write it as 30s, 15m, 1h or 7d.");
  return Number(count) * factor;
}

// AbortSignal.timeout takes 32 bits of milliseconds and a timer 31.
const MAX_SECONDS = 2_147_483;

/** Seconds, with decimals if wanted, in milliseconds. */
export function seconds(text: string): number {
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0 && value <= MAX_SECONDS))
    throw new InvalidArgumentError(`Write seconds from 0.001 to ${MAX_SECONDS}.`);
  return Math.max(1, Math.round(value * 1000));
}

/** A number of things, at least one. */
export function count(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("Write a whole number from 1.");
  return Number(text);
}

/** Help on an argument that is a message id. */
export const MESSAGE_ID = "its id, or the first six characters of it, or more";
