/** What keeps the house in order, as far as a program can tell. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFileSync(`${root}${file}`, "utf8");
const sources = globSync(["packages/*/src/**/*.ts", "{bench,build,chaos,demo,fuzz,hostile,soak}/**/*.ts"], {
  cwd: root,
});

test("no file is longer than 400 lines", () => {
  expect(sources.length).toBeGreaterThan(300);
  expect(sources.filter((file) => read(file).split("\n").length > 401)).toEqual([]);
});

test("the map of the store has every kind of record", () => {
  const map = read("docs/store.md");
  const tables = read("packages/sdk/src/records/tables.ts").split("export interface Tables {")[1] ?? "";
  const prefixes = [...tables.matchAll(/^ {2}"([^"]+)":/gm)].map(([, prefix]) => prefix as string);
  expect(prefixes.length).toBeGreaterThan(20);
  expect(prefixes.filter((prefix) => !map.includes(`\`${prefix}`))).toEqual([]);
});
