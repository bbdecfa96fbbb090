/** The demo's output: 80 columns, and colours where a terminal wants them. Nothing is printed over: it may be piped or recorded. */
import { styleText } from "node:util";

const WIDTH = 80;
const MARGIN = "   ";
let steps = 0;

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function title(text: string): void {
  steps += 1;
  say(`\n${styleText("bold", `${steps}. ${text}`)}`);
}

/** A command, as its user types it. */
export function command(text: string): void {
  line(`$ ${text}`, "cyan");
}

/** Lines that a program has printed, set in. */
export function output(text: string): void {
  for (const each of text.split("\n")) line(`  ${each}`);
}

export function note(text: string): void {
  line(text, "dim");
}

/** A promise that was kept. */
export function ok(text: string): void {
  say(`${MARGIN}${styleText("green", "ok")}: ${cut(text, MARGIN.length + 4)}`);
}

const COLOURS: Record<string, "green" | "red"> = { handled: "green", failed: "red", expired: "red", refused: "red" };

/** States as they change, in a row. */
export class Row {
  #begun = false;

  constructor(name: string) {
    process.stdout.write(`${MARGIN}  ${name}: `);
  }

  add(state: string): void {
    process.stdout.write(`${this.#begun ? " > " : ""}${styleText(COLOURS[state] ?? "yellow", state)}`);
    this.#begun = true;
  }

  /** @param why the reason of the last one; may be empty */
  end(why: string): void {
    process.stdout.write("\n");
    if (why !== "") output(`reason: ${why}`);
  }
}

function line(text: string, style?: "cyan" | "dim"): void {
  const short = cut(text, MARGIN.length);
  say(MARGIN + (style === undefined ? short : styleText(style, short)));
}

function cut(text: string, before: number): string {
  const room = WIDTH - before;
  return text.length <= room ? text : `${text.slice(0, room - 3)}...`;
}
