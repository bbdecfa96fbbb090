import { columns, number } from "../shared/columns.ts";
import { describe, type Machine } from "../shared/machine.ts";
import type { Result } from "./compare.ts";

const HEAD = ["figure", "value", "floor", "ratio", "aim", "", "relay CPU"];
const OF_ENGINE = "engine CPU";

/** The table for people. */
export function table(machine: Machine, results: Result[]): string {
  const hasEngine = results.some(({ engineCpu }) => engineCpu !== undefined);
  const rows = results.map((result) => [...row(result), ...(hasEngine ? [cpu(result.engineCpu)] : [])]);
  return `${columns([hasEngine ? [...HEAD, OF_ENGINE] : HEAD, ...rows])}\n\n${describe(machine)}\n`;
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
    cpu(relayCpu),
  ];
}

function cpu(microseconds: number | undefined): string {
  return microseconds === undefined ? "" : `${microseconds.toFixed(1)} us`;
}

function written(aim: Result["aim"], unit: string): string {
  if (aim === undefined) return "-";
  if ("under" in aim) return `< ${aim.under}${unit}`;
  return "atLeast" in aim ? `>= ${aim.atLeast}` : `<= ${aim.atMost}`;
}
