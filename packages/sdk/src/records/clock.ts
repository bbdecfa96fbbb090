/** Two clocks: the day's, which anybody may set, and `performance.now()`, which only goes on. */
import type { RelayRecord } from "./tables.ts";

/** Clocks of two machines that are further apart than this are a fault of one of them. Milliseconds. */
export const APART_MS = 300_000;
/** The two clocks of one machine are parted by more than this only by a hand, or by sleep. Milliseconds. */
const JUMP_MS = 60_000;
/** How long a clock that has jumped is not believed. Milliseconds. */
const DOUBT_MS = 3_600_000;

function apart(): number {
  return Date.now() - performance.now();
}

/**
 * Watches the clock of the day from now on.
 * @returns whether it was set, or the machine slept, in the last hour: what cannot be taken back is not decided by it then
 */
export function watchClock(): () => boolean {
  let before = apart();
  let doubtedUntil = -Infinity;
  return () => {
    if (Math.abs(apart() - before) > JUMP_MS) {
      before = apart();
      doubtedUntil = performance.now() + DOUBT_MS;
    }
    return performance.now() < doubtedUntil;
  };
}

/** How long a clock has to differ from the relay's in the same way until it is believed all the same. Milliseconds. */
const BELIEVED_AFTER_MS = 24 * 3_600_000;

/**
 * Judges our clock from a login on, at which the relay's was `offset` ahead of it. It is believed while it agrees with the
 * relay's, as far as a clock that nobody sets has carried that since; and where it does not, once it has differed in this way
 * for a day, since `since` (Unix milliseconds). A machine that starts with a clock of another year, or whose clock is set for
 * a moment, must not find its mail gone.
 */
export function judgeClock({ clock_offset, clock_since = 0 }: RelayRecord): () => boolean {
  const atLogin = apart();
  return () => {
    const jump = apart() - atLogin;
    if (Math.abs(clock_offset - jump) <= APART_MS) return true;
    return Math.abs(jump) <= JUMP_MS && Math.abs(Date.now() - clock_since) >= BELIEVED_AFTER_MS;
  };
}

/** A span of time as people say it: `30 s`, `3 min`, `25 h`, `40 d`. */
export function span(ms: number): string {
  if (Math.abs(ms) < 120_000) return `${Math.round(Math.abs(ms) / 1000)} s`;
  const minutes = Math.round(Math.abs(ms) / 60_000);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 4_320 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1_440)} d`;
}
