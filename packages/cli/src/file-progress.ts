/** How far files are, on stderr: bars on a terminal, else a line now and then. */
import type { FileProgress } from "@aimessage/sdk/node";
import { escapeLine, type Output, withinColumns } from "@aimessage/sdk/program";
import type { Context } from "./context.ts";
import { fileSize, percent, span } from "./units.ts";

/** Between two drawings on a terminal, and between two lines elsewhere. Milliseconds. */
const DRAW_MS = 200;
const LINE_MS = 10_000;
/** Speed is that of so long. Milliseconds. */
const WINDOW_MS = 5_000;
/** What has moved so lately does not wait. Milliseconds. */
const MOVES_MS = 3_000;
/** Columns of a bar, and of a name beside it. */
const BAR = 20;
const NAME = 28;

interface Shown {
  name: string;
  bytes: number;
  done: number;
  /** Where it was when this process began with it. */
  from: number;
  begun: number;
  /** When what was there: the first is the oldest within the window. */
  points: { at: number; done: number }[];
  /** Why nothing comes of it just now. */
  waits: string | undefined;
  /** This process brings it, and knows best how far it is. */
  isOwn: boolean;
  saidAt: number;
  saidWaits: string | undefined;
}

export class FilesShown implements Disposable {
  readonly #out: Output;
  readonly #isTerminal: boolean;
  readonly #files = new Map<string, Shown>();
  readonly #timer: NodeJS.Timeout;
  #drawnAt = 0;
  #lastAt = 0;

  constructor({ out, context }: { out: Output; context: Pick<Context, "env"> }) {
    this.#out = out;
    this.#isTerminal = context.env["TERM"] !== "dumb" && out.live([]);
    this.#timer = setInterval(() => this.#tick(), 1_000).unref();
  }

  /** When something of a file has gone or come last (`performance.now()`). */
  get lastAt(): number {
    return this.#lastAt;
  }

  readonly onProgress = (progress: FileProgress): void => this.#move(progress, true);

  #move({ message, file, name, bytes, done, direction }: FileProgress, isOwn: boolean): void {
    const now = performance.now();
    const key = `${message}/${file}`;
    const before = this.#files.get(key);
    const shown = before ?? begin({ name, bytes, done }, now);
    if (before === undefined || done !== before.done) this.#lastAt = now;
    if (isOwn && before?.isOwn !== true && done > 0 && done < bytes)
      this.#out.note(`${name} goes on at ${percent(done, bytes)} %`);
    // It is begun anew.
    if (before !== undefined && done < before.done) Object.assign(shown, begin({ name, bytes, done }, now));
    Object.assign(shown, { done, bytes, isOwn, waits: undefined });
    shown.points.push({ at: now, done });
    while (shown.points.length > 2 && now - (shown.points[0]?.at ?? now) > WINDOW_MS) shown.points.shift();
    this.#files.set(key, shown);
    if (direction === "up" && done === bytes) return this.end(message, file, "sent");
    if (this.#isTerminal && now - this.#drawnAt > DRAW_MS) this.#draw(now);
  }

  /** A file that is sent, as its record says: another process may bring it, or nothing comes of it for a reason. */
  look(message: string, file: number, { name, bytes, done, reason }: Looked): void {
    const key = `${message}/${file}`;
    const before = this.#files.get(key);
    if (before?.isOwn !== true && done > (before?.done ?? 0))
      this.#move({ message, file, name, bytes, done, direction: "up" }, false);
    const now = performance.now();
    const shown = this.#files.get(key) ?? begin({ name, bytes, done }, now);
    this.#files.set(key, shown);
    // What went wrong before stands there until it is up.
    const moves = shown.points.length > 1 && now - (shown.points.at(-1)?.at ?? 0) < MOVES_MS;
    if (reason !== undefined && !moves) shown.waits = reason;
  }

  /** One is where it was to be, which a line says, with how long it took. What was saved is said of elsewhere, unless it took long. */
  end(message: string, file: number, tell?: "sent" | "saved"): void {
    const key = `${message}/${file}`;
    const shown = this.#files.get(key);
    this.#files.delete(key);
    if (this.#isTerminal) this.#draw(performance.now());
    if (shown === undefined || tell === undefined || (tell === "saved" && !isLong(shown))) return;
    const took = performance.now() - shown.begun;
    const speed = `${fileSize(Math.round(((shown.bytes - shown.from) / took) * 1000))}/s`;
    this.#out.note(
      `${shown.name} ${fileSize(shown.bytes)} ${tell}${took < 1_000 ? "" : ` in ${span(took)}, ${speed}`}`,
    );
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#files.clear();
    if (this.#isTerminal) this.#out.live([]);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#isTerminal) return this.#draw(now);
    for (const shown of this.#files.values()) {
      const isNews = shown.waits !== shown.saidWaits && shown.waits !== undefined;
      if (!isNews && now - shown.saidAt < LINE_MS) continue;
      Object.assign(shown, { saidAt: now, saidWaits: shown.waits });
      this.#out.note(lineOf(shown, now));
    }
  }

  #draw(now: number): void {
    this.#drawnAt = now;
    this.#out.live([...this.#files.values()].map((shown) => barOf(shown, now)));
  }
}

function isLong({ begun, done, bytes }: Shown): boolean {
  return done === bytes && performance.now() - begun > LINE_MS;
}

interface Looked {
  name: string;
  bytes: number;
  done: number;
  reason: string | undefined;
}

function begin({ name, bytes, done }: Pick<Shown, "name" | "bytes" | "done">, now: number): Shown {
  const points = [{ at: now, done }];
  const said = { waits: undefined, saidAt: now, saidWaits: undefined };
  return { name, bytes, done, from: done, begun: now, points, isOwn: false, ...said };
}

/** `report.pdf   [########            ]  42 %  118 MiB/s  12 s left` */
function barOf(shown: Shown, now: number): string {
  const full = Math.floor((shown.done / Math.max(1, shown.bytes)) * BAR);
  const name = withinColumns(escapeLine(shown.name), NAME).padEnd(NAME);
  const bar = `[${"#".repeat(full).padEnd(BAR)}]`;
  const hundredths = `${percent(shown.done, shown.bytes)} %`.padStart(5);
  return `${name} ${bar} ${hundredths}  ${pace(shown, now).join("  ")}`.trimEnd();
}

function lineOf(shown: Shown, now: number): string {
  return [`${shown.name} ${percent(shown.done, shown.bytes)} %`, ...pace(shown, now)].join(", ");
}

/** How fast it goes, and how long it takes if it goes on like that. */
function pace({ points, bytes, done, waits }: Shown, now: number): string[] {
  if (waits !== undefined) return [`waits: ${waits}`];
  const [first] = points;
  if (first === undefined || now - first.at < 500 || done <= first.done) return [];
  const perMs = (done - first.done) / (now - first.at);
  return [`${fileSize(Math.round(perMs * 1000))}/s`, `${span((bytes - done) / perMs)} left`];
}
