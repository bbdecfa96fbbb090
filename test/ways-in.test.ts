/** What meets those who come to this repository: the Node that they need, what CI runs, forms for what they have to say. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string) => readFileSync(root + path, "utf8");
const { scripts, engines } = JSON.parse(read("package.json")) as {
  scripts: Record<string, string>;
  engines: { node: string };
};

test("version managers and containers bring the Node that the packages need", () => {
  const major = read(".nvmrc").trim();
  expect(engines.node).toBe(`>=${major}`);
  const container = JSON.parse(read(".devcontainer/devcontainer.json")) as Record<string, string>;
  expect(container).toMatchObject({
    image: `node:${major}`,
    postCreateCommand: expect.stringMatching(/^npm ci\b/) as string,
  });
});

test("workflows, forms and documents run no script that is not there", () => {
  const files = globSync([".github/**/*.{yml,md}", "*.md", "docs/**/*.md"], { cwd: root });
  const named = files.flatMap((file) =>
    [...read(file).matchAll(/npm run ([a-z]+(?::[a-z]+)*)/g)].map(([, name = ""]) => name),
  );
  expect(named).toEqual(expect.arrayContaining(["chaos", "check", "fuzz", "soak", "test:bun"]));
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test("each form has questions with names of their own, and one that must be answered", () => {
  for (const name of ["bug", "feature"]) {
    const form = parse(read(`.github/ISSUE_TEMPLATE/${name}.yml`)) as {
      name: string;
      description: string;
      body: { type: string; id?: string; validations?: { required: boolean } }[];
    };
    expect(form).toMatchObject({ name: expect.any(String) as string, description: expect.any(String) as string });
    const questions = form.body.filter(({ type }) => type !== "markdown");
    expect(new Set(questions.map(({ id }) => id)).size).toBe(questions.length);
    expect(questions.some(({ validations }) => validations?.required)).toBe(true);
  }
});

test("every workflow is triggered, may read alone unless a job says more, and ends in a given time", () => {
  for (const file of globSync(".github/workflows/*.yml", { cwd: root })) {
    const workflow = parse(read(file)) as {
      on: object;
      permissions: object;
      jobs: Record<string, { "timeout-minutes"?: number; steps: object[] }>;
    };
    expect(Object.keys(workflow.on).length, file).toBeGreaterThan(0);
    expect(workflow.permissions, file).toEqual({ contents: "read" });
    for (const job of Object.values(workflow.jobs)) expect(job["timeout-minutes"], file).toBeGreaterThan(0);
  }
});
