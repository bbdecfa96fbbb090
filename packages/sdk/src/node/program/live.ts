/** Lines of a terminal that are drawn again and again, below what is printed meanwhile. */
import type { Writable } from "node:stream";
import { escapeLine } from "./escape.ts";

/** Columns of a terminal that does not say how many it has. */
const COLUMNS = 80;
/** From here on characters may take two columns. */
const WIDE = 0x1100;

export class Live {
  readonly #stream: Writable & { isTTY?: boolean; columns?: number };
  #lines: string[] = [];
  /** How many of them stand there. */
  #drawn = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** @returns whether it is a terminal, on which they are seen */
  draw(lines: readonly string[]): boolean {
    if (this.#stream.isTTY !== true) return false;
    const { columns = 0 } = this.#stream;
    this.#lines = lines.map((line) => withinColumns(escapeLine(line), (columns > 0 ? columns : COLUMNS) - 1));
    const drawing = this.#erased() + this.#drawing();
    if (drawing !== "") this.#stream.write(drawing);
    return true;
  }

  /** Prints a text that stays. */
  above(text: string): void {
    this.#stream.write(this.#erased() + text + this.#drawing());
  }

  /** Makes room for what somebody else prints. */
  hide(): void {
    if (this.#drawn > 0) this.#stream.write(this.#erased());
  }

  show(): void {
    if (this.#drawn === 0 && this.#lines.length > 0) this.#stream.write(this.#drawing());
  }

  #erased(): string {
    const up = this.#drawn === 0 ? "" : `\u001b[${this.#drawn}A\r\u001b[J`;
    this.#drawn = 0;
    return up;
  }

  #drawing(): string {
    this.#drawn = this.#lines.length;
    return this.#lines.map((line) => `${line}\n`).join("");
  }
}

/** As much of a line as surely takes no more columns: one that is broken by the terminal could not be drawn over. */
export function withinColumns(line: string, columns: number): string {
  let [kept, width] = ["", 0];
  for (const character of line) {
    width += (character.codePointAt(0) ?? 0) < WIDE ? 1 : 2;
    if (width > columns) break;
    kept += character;
  }
  return kept;
}
