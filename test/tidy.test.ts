/** What keeps the house in order, as far as a program can tell. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFileSync(`${root}${file}`, "utf8");
const sources = globSync(["packages/*/src/**/*.ts", "{build,demo,lab}/**/*.ts"], { cwd: root });

test("no file is longer than 400 lines", () => {
  expect(sources.length).toBeGreaterThan(300);
  expect(sources.filter((file) => read(file).split("\n").length > 401)).toEqual([]);
});

test("what rooms of the lab share knows none of them", () => {
  const shared = globSync("lab/shared/*.ts", { cwd: root });
  expect(shared.length).toBeGreaterThan(5);
  expect(shared.filter((file) => /"\.\.\/(?!\.\.\/)/.test(read(file)))).toEqual([]);
});

test("the map of the store has every kind of record", () => {
  const map = read("docs/store.md");
  const tables = read("packages/sdk/src/records/tables.ts").split("export interface Tables {")[1] ?? "";
  const prefixes = [...tables.matchAll(/^ {2}"([^"]+)":/gm)].map(([, prefix]) => prefix as string);
  expect(prefixes.length).toBeGreaterThan(20);
  expect(prefixes.filter((prefix) => !map.includes(`\`${prefix}`))).toEqual([]);
});

test("a function takes four parameters at most by their places", () => {
  const long = sources.flatMap((file) =>
    [...read(file).matchAll(/^ *(?:export )?(?:async )?function\*? (\w+)(?:<[^(]*>)?\(([^)]*)\)/gm)]
      .filter(([, , parameters = ""]) => places(parameters) > 4)
      .map(([, name]) => `${file}: ${name}`),
  );
  expect(long).toEqual([]);
});

/** How many parameters a list has, of which one may be a pattern or a type with commas of its own. */
function places(parameters: string): number {
  let [depth, count, isEmpty] = [0, 0, true];
  for (const character of parameters) {
    if ("{[<(".includes(character)) depth += 1;
    if ("}]>)".includes(character)) depth -= 1;
    if (character === "," && depth === 0) isEmpty = true;
    else if (isEmpty && character.trim() !== "") [isEmpty, count] = [false, count + 1];
  }
  return count;
}
