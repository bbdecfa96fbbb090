import type { Heap } from "./heap.ts";

/** Messages of so many bytes are read in turn. */
const LARGE = 2 ** 14;
/** So many of them are on their way at once. */
const AT_ONCE = 4;
/** For so many bytes of one the event loop turns once before the next. */
const A_LOOP = 2 ** 13;
/** Whoever takes longer is not waited for. Milliseconds. */
const TURN_MS = 25;
/** Until it is seen again whether there is room for somebody. Milliseconds. */
const AGAIN_MS = 50;
/** So many connections of an address are asked for it. */
const ASKED = 8;

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
 * Large messages of all connections are read one after another, with turns of the event loop in between, so that no small one waits
 * for many of them, and few of them are held at once. Addresses take turns, and so do the connections of an address. [P-11.5]
 */
export class Turns {
  readonly #asking = new Map<string, Set<Line>>();
  readonly #granted = new Map<Line, NodeJS.Timeout>();
  readonly #heap: Heap | undefined;
  #isSet = false;
  /** Bytes of the last that had its turn for which the loop has not turned yet. */
  #left = 0;

  constructor(heap?: Heap) {
    this.#heap = heap;
  }

  ask(line: Line): void {
    const lines = this.#asking.get(line.address);
    if (lines === undefined) this.#asking.set(line.address, new Set([line]));
    else lines.add(line);
    this.#set();
  }

  /** It has had its turn, or wants none any more. */
  leave(line: Line): void {
    clearTimeout(this.#granted.get(line));
    if (this.#granted.delete(line)) return this.#set();
    const lines = this.#asking.get(line.address);
    if (lines?.delete(line) === true && lines.size === 0) this.#asking.delete(line.address);
  }

  #set(): void {
    if (this.#isSet || this.#asking.size === 0 || this.#granted.size >= AT_ONCE) return;
    this.#isSet = true;
    this.#pass();
  }

  /** What is small, and connections, of which the loop accepts one in each of its turns, come first. */
  #pass(): void {
    setImmediate(() => {
      this.#left -= A_LOOP;
      if (this.#left > 0) this.#pass();
      else this.#next();
    });
  }

  #next(): void {
    const line = this.#first();
    if (line === undefined) {
      setTimeout(() => this.#next(), AGAIN_MS).unref();
      return;
    }
    this.#isSet = false;
    this.#left = line.length;
    this.#heap?.read(line.length);
    this.leave(line);
    this.#granted.set(line, setTimeout(() => this.#late(line), TURN_MS).unref());
    line.begin();
    this.#set();
  }

  /** The first for whom there is room, and its address goes behind all others. */
  #first(): Line | undefined {
    for (const [address, lines] of this.#asking) {
      const line = firstWithRoom(lines);
      if (line === undefined) continue;
      this.#asking.delete(address);
      this.#asking.set(address, lines);
      return line;
    }
    return undefined;
  }

  #late(line: Line): void {
    this.leave(line);
    line.late();
  }
}

/** Whoever has no room goes behind the others. */
function firstWithRoom(lines: Set<Line>): Line | undefined {
  let left = ASKED;
  for (const line of lines) {
    if (line.hasRoom) return line;
    if (--left === 0) return undefined;
    lines.delete(line);
    lines.add(line);
  }
  return undefined;
}

interface LineOptions {
  turns: Turns;
  /** Whose turn it is when it is this connection's. */
  address: string;
  /** Whether a message may come of which so much has been announced. */
  hasRoom: () => boolean;
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
  #length = 0;
  #waiting: Raw[] = [];

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get address(): string {
    return this.#options.address;
  }

  get hasRoom(): boolean {
    return this.#waiting.length > 0 || this.#options.hasRoom();
  }

  /** Of the message that comes or waits, in bytes. */
  get length(): number {
    return this.#waiting[0]?.bytes.length ?? this.#length;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Nothing comes before it has had its turn. */
  get isHeldBack(): boolean {
    return this.#state === "asking";
  }

  /** A message is coming, of so many bytes as far as it has said. */
  expect(length: number): void {
    this.#length = length;
    if (isLarge(length) && this.#state === "quiet" && !this.#isAdmitted) this.#ask();
  }

  /** A message has come. */
  add(bytes: Buffer, isBinary: boolean): void {
    if (this.isHeldBack) this.#waiting.push({ bytes, isBinary });
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
    const waiting = this.#waiting;
    this.#waiting = [];
    const [first, ...rest] = waiting;
    if (first === undefined) this.#isAdmitted = true;
    else this.#read(first.bytes, first.isBinary);
    for (const { bytes, isBinary } of rest) this.add(bytes, isBinary);
    if (!this.isHeldBack) this.#options.onWait(false);
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
    this.#state = "quiet";
    this.#options.turns.leave(this);
  }

  #ask(): void {
    this.#state = "asking";
    this.#options.onWait(true);
    this.#options.turns.ask(this);
  }

  #read(bytes: Buffer, isBinary: boolean): void {
    this.#isAdmitted = false;
    this.#state = "quiet";
    this.#options.turns.leave(this);
    this.#options.read(bytes, isBinary);
  }
}
