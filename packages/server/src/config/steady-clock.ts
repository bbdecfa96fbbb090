import { uptime } from "node:os";

/** More than clocks are set by that keep time. Milliseconds. */
const JUMP_MS = 60_000;
/** How long a new time has to hold until it is believed: longer than it takes a time server's fault to be noticed. */
const BELIEVED_AFTER_MS = 600_000;
/** How often the two clocks are compared. */
const INTERVAL_MS = 1_000;

/**
 * Milliseconds on a clock that nobody sets. On Linux that of the system's start, which goes on while the machine is
 * suspended (CLOCK_BOOTTIME): to wake up is no jump.
 */
export function systemUptime(): number {
  return process.platform === "linux" ? uptime() * 1000 : performance.now();
}

/**
 * The time by which the relay judges. When the system's clock jumps by more than a minute against the one that nobody sets, the old
 * time goes on until the new one has held for ten minutes: what has expired, or is too old, is gone for good, and a clock that is wrong
 * for a moment must not decide that. [P-5.8]
 */
export class SteadyClock implements Disposable {
  readonly #wall: () => number;
  readonly #uptime: () => number;
  readonly #onJump: (ahead: number, isNew: boolean) => void;
  readonly #timer: NodeJS.Timeout;
  /** A time that was believed, and the uptime then. */
  #believed: number;
  #believedAt: number;
  /** By how much the system's clock is ahead of what is believed. */
  #ahead = 0;
  /** The uptime when that began. */
  #since = 0;
  #seen: number;

  /**
   * @param wall The system's clock: Unix milliseconds.
   * @param uptime Milliseconds on a clock that nobody sets.
   * @param onJump Told by how much the clock is wrong when it has jumped; 0 when the old time is right again, or a new one is
   * believed (`isNew`).
   */
  constructor(wall: () => number, uptime: () => number, onJump: (ahead: number, isNew: boolean) => void = () => {}) {
    this.#wall = wall;
    this.#uptime = uptime;
    this.#onJump = onJump;
    this.#believed = this.#seen = wall();
    this.#believedAt = uptime();
    this.#timer = setInterval(() => this.#compare(this.#wall()), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Unix milliseconds. */
  readonly now = (): number => {
    const wall = this.#wall();
    if (Math.abs(wall - this.#seen) > JUMP_MS) this.#compare(wall);
    this.#seen = wall;
    return wall - this.#ahead;
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #compare(wall: number): void {
    this.#seen = wall;
    const up = this.#uptime();
    const ahead = wall - this.#believed - (up - this.#believedAt);
    if (Math.abs(ahead) <= JUMP_MS) return this.#believe(wall, up, false);
    if (Math.abs(ahead - this.#ahead) > JUMP_MS) {
      this.#since = up;
      this.#onJump(ahead, false);
    }
    this.#ahead = ahead;
    return up - this.#since >= BELIEVED_AFTER_MS ? this.#believe(wall, up, true) : undefined;
  }

  #believe(wall: number, up: number, isNew: boolean): void {
    this.#believed = wall;
    this.#believedAt = up;
    if (this.#ahead === 0) return;
    this.#ahead = 0;
    this.#onJump(0, isNew);
  }
}
