import type { Heap } from "./heap.ts";

/** Messages of so many bytes are read in turn: each is some turns of the event loop. */
const LARGE = 2 ** 14;
/** So many of them are let in at once: a few that are slow keep nobody waiting, and in one turn of the loop no more than they come. */
const AT_ONCE = 4;
/** For so many bytes that have come the event loop turns once before the next is let in: of connections it accepts one in each. */
const A_LOOP = 2 ** 13;
/** What a turn costs beside what comes in it. */
const A_TURN = LARGE;
/** Whoever takes longer than a network that is near is not waited for. Milliseconds. */
const TURN_MS = 25;

/** Whether a message of so many bytes is read in turn. */
export function isLarge(bytes: number): boolean {
  return bytes >= LARGE;
}

/** A message as it came in. */
interface Raw {
  bytes: Buffer;
  isBinary: boolean;
}

/**
 * Large messages of all connections are let in one after another, with turns of the event loop in between, so that no small one
 * waits for many of them. Addresses take turns, and so do the connections of an address. [P-11.5]
 */
export class Turns {
  readonly #asking = new Map<string, Set<Line>>();
  readonly #granted = new Map<Line, NodeJS.Timeout>();
  readonly #heap: Heap | undefined;
  #isTurning = false;
  /** Bytes for which the loop has not turned yet. */
  #owed = 0;

  constructor(heap?: Heap) {
    this.#heap = heap;
  }

  ask(line: Line): void {
    const lines = this.#asking.get(line.address);
    if (lines === undefined) this.#asking.set(line.address, new Set([line]));
    else lines.add(line);
    this.#turn();
  }

  /** It has had its turn, or wants none any more. */
  leave(line: Line): void {
    clearTimeout(this.#granted.get(line));
    if (this.#granted.delete(line)) return this.#turn();
    const lines = this.#asking.get(line.address);
    if (lines?.delete(line) === true && lines.size === 0) this.#asking.delete(line.address);
  }

  /** So much of a large message has come. */
  came(bytes: number): void {
    this.#owed += bytes;
    this.#heap?.read(bytes);
    this.#turn();
  }

  /** What is small, and connections, come first. */
  #turn(): void {
    const mayGrant = this.#asking.size > 0 && this.#granted.size < AT_ONCE;
    if (this.#isTurning || (this.#owed <= 0 && !mayGrant)) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      this.#owed -= A_LOOP;
      if (this.#owed <= 0) this.#grant();
      this.#turn();
    });
  }

  #grant(): void {
    this.#owed = 0;
    const line = this.#granted.size < AT_ONCE ? this.#next() : undefined;
    if (line === undefined) return;
    this.#owed = A_TURN;
    this.#granted.set(line, setTimeout(() => this.#late(line), TURN_MS).unref());
    line.begin();
  }

  /** The first of the first address, which goes behind all others. */
  #next(): Line | undefined {
    const [first] = this.#asking;
    if (first === undefined) return undefined;
    const [address, lines] = first;
    const [line] = lines;
    this.#asking.delete(address);
    if (line !== undefined) lines.delete(line);
    if (lines.size > 0) this.#asking.set(address, lines);
    return line;
  }

  #late(line: Line): void {
    this.leave(line);
    line.late();
  }
}

interface LineOptions {
  turns: Turns;
  /** Whose turn it is when it is this connection's. */
  address: string;
  /** Whether it may ask for one of which little has come; else it is asked again when more comes. */
  mayAsk: () => boolean;
  /** Reads a message. */
  read: (bytes: Buffer, isBinary: boolean) => void;
  /** Told when nothing more should come, and when it should again. */
  onWait: (waits: boolean) => void;
}

/** The messages of one connection in the order in which they come: a large one waits for its turn, and all others behind it. */
export class Line {
  readonly #options: LineOptions;
  #state: "quiet" | "asking" | "granted" = "quiet";
  /** The message that is coming has had a turn, perhaps a while ago. */
  #isAdmitted = false;
  /** Bytes of that message that have come and are counted. */
  #came = 0;
  #waiting: Raw[] = [];

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#options.address;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Bytes of what has come and waits. */
  get held(): number {
    let held = 0;
    for (const { bytes } of this.#waiting) held += bytes.length;
    return held;
  }

  /** A message is coming: so long as far as it has said, and so many bytes of it have come. */
  expect(length: number, come: number): void {
    if (!isLarge(length)) return;
    this.#count(come);
    if (this.#state === "quiet" && !this.#isAdmitted && this.#options.mayAsk()) this.#ask();
  }

  /** A message has come. */
  add(bytes: Buffer, isBinary: boolean): void {
    if (this.#isHeldBack) this.#waiting.push({ bytes, isBinary });
    else if (!isLarge(bytes.length)) this.#options.read(bytes, isBinary);
    else if (this.#state === "granted") this.#read(bytes, isBinary);
    else {
      this.#waiting.push({ bytes, isBinary });
      this.#ask();
    }
  }

  /** Its turn: what has come is read, or comes. */
  begin(): void {
    this.#state = "granted";
    const [first, ...rest] = this.#waiting;
    this.#waiting = [];
    if (first === undefined) this.#isAdmitted = true;
    else this.#read(first.bytes, first.isBinary);
    for (const { bytes, isBinary } of rest) this.add(bytes, isBinary);
    if (!this.#isHeldBack) this.#options.onWait(false);
  }

  /** Its turn is over, and its message has not come: it asks again when it has. */
  late(): void {
    this.#state = "quiet";
  }

  /** Nothing more comes: what has come is read all the same. */
  end(): void {
    if (this.isEmpty) this.clear();
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting = [];
    this.#leave();
    this.#options.onWait(false);
  }

  /** Nothing comes before it has had its turn. */
  get #isHeldBack(): boolean {
    return this.#state === "asking";
  }

  #ask(): void {
    this.#state = "asking";
    this.#options.onWait(true);
    this.#options.turns.ask(this);
  }

  #read(bytes: Buffer, isBinary: boolean): void {
    this.#isAdmitted = false;
    this.#count(bytes.length);
    this.#came = 0;
    this.#leave();
    this.#options.read(bytes, isBinary);
  }

  #count(come: number): void {
    if (come > this.#came) this.#options.turns.came(come - this.#came);
    this.#came = come;
  }

  #leave(): void {
    this.#state = "quiet";
    this.#options.turns.leave(this);
  }
}
