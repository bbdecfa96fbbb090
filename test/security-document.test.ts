import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

test("every row of the threat tables is cited by a test, and every citation has its row", () => {
  const rows = readFileSync(`${root}SECURITY.md`, "utf8").matchAll(/^\| ([RAC]-\d+) \|/gm);
  const cited = new Set<string>();
  for (const file of globSync(["packages/*/test/**/*.test.ts", "test/**/*.test.ts"], { cwd: root }))
    for (const [, row] of readFileSync(`${root}${file}`, "utf8").matchAll(/\[([RAC]-\d+)\]/g)) cited.add(row as string);
  expect([...cited].toSorted()).toEqual([...rows].map(([, row]) => row as string).toSorted());
});
