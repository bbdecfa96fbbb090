/**
 * Programs in documents: each block of TypeScript compiles against the packages' sources. A block that goes on where the one before it has
 * ended begins with ```ts continues, and is compiled together with that.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const documents = globSync(["*.md", "docs/**/*.md", "{clients,integrations,packages}/*/README.md"], { cwd: root });

/** What documents import and this repository has not: their types are others' business. */
const NOT_HERE = ["@ai-sdk/mcp", "@ai-sdk/mcp/mcp-stdio"];

/** The programs of a document by the line of their first block, each line where it stands in the document. */
function programsOf(text: string): Map<number, string> {
  const programs = new Map<number, string[]>();
  let fence: "ours" | "another's" | undefined;
  let program: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (!line.startsWith("```")) {
      if (fence === "ours") program[index] = line;
    } else if (fence !== undefined) fence = undefined;
    else {
      const [language = "", word] = line.slice(3).split(" ");
      fence = language === "ts" ? "ours" : "another's";
      if (fence === "ours" && word !== "continues") programs.set(index + 1, (program = []));
    }
  }
  return new Map([...programs].map(([at, lines]) => [at, Array.from(lines, (line) => line ?? "").join("\n")]));
}

test("every block of TypeScript in a document compiles", () => {
  const folder = mkdtempSync(join(tmpdir(), "documents-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "not-here.d.ts"), NOT_HERE.map((name) => `declare module "${name}";\n`).join(""));
  let count = 0;
  for (const document of documents)
    for (const [line, program] of programsOf(readFileSync(join(root, document), "utf8"))) {
      const file = join(folder, `${document}.${line}.ts`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, program);
      count += 1;
    }
  expect(count).toBeGreaterThan(5);
  const compilerOptions = {
    composite: false,
    noEmit: true,
    lib: ["ESNext", "DOM"],
    types: ["node"],
    moduleDetection: "force",
    customConditions: ["@aimessage/source"],
    // A program that shows how a name is got need not use it.
    noUnusedLocals: false,
  };
  const config = { extends: join(root, "tsconfig.base.json"), compilerOptions, include: ["**/*.ts"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["-p", folder], { encoding: "utf8", cwd: folder });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});

test("a block of TypeScript is marked as such, and begins its line", () => {
  const fences = /^[ >]*```(?:ts|js|tsx|jsx|typescript|javascript)\b.*$/gim;
  for (const document of documents)
    for (const [fence] of readFileSync(join(root, document), "utf8").matchAll(fences))
      expect(["```ts", "```ts continues"], document).toContain(fence);
});
