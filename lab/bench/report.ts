import type { Result } from "./compare.ts";
import type { Machine } from "./machine.ts";

const HEAD = ["figure", "value", "floor", "ratio", "aim", "", "relay CPU"];

/** The table for people. */
export function table(machine: Machine, results: Result[]): string {
  return `${columns([HEAD, ...results.map(row)])}\n\n${describe(machine)}\n`;
}

/** Rows of cells as lines of text: the first column to the left, numbers to the right. */
export function columns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

export function describe({ cores, processor, system, runtime, load, syncMilliseconds }: Machine): string {
  return `${cores} cores (${processor}), ${system}, ${runtime}, fdatasync ${syncMilliseconds.toFixed(2)} ms, load ${load.toFixed(1)}`;
}

/** Whether a result reaches its aim; undefined if it has none. */
export function reaches({ value, ratio, aim }: Result): boolean | undefined {
  if (aim === undefined) return undefined;
  if ("under" in aim) return value < aim.under;
  return "atLeast" in aim ? ratio >= aim.atLeast : ratio <= aim.atMost;
}

function row(result: Result): string[] {
  const { title, value, floor, unit, ratio, aim, relayCpu } = result;
  const good = reaches(result);
  return [
    title,
    number(value) + unit,
    number(floor) + unit,
    ratio.toFixed(2),
    written(aim, unit),
    good === undefined ? "" : good ? "ok" : aim !== undefined && "atLeast" in aim ? "below" : "above",
    relayCpu === undefined ? "" : `${relayCpu.toFixed(1)} us`,
  ];
}

function written(aim: Result["aim"], unit: string): string {
  if (aim === undefined) return "-";
  if ("under" in aim) return `< ${aim.under}${unit}`;
  return "atLeast" in aim ? `>= ${aim.atLeast}` : `<= ${aim.atMost}`;
}

export function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}
