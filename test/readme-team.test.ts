/** README's three agents in a team, line by line, as it stands there. */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "./built.ts";
import { temporaryFolder } from "./processes/processes.ts";

const README = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8");

/** The blocks of a section. */
function blocksOf(title: string): string[][] {
  const [, rest = ""] = README.split(`### ${title}\n`);
  const [section = ""] = rest.split("\n### ");
  return [...section.matchAll(/```bash\n(.*?)\n```/gs)].map(([, block = ""]) => block.split("\n"));
}

test.skipIf(process.platform === "win32")(
  "README leads from nothing to three agents in a team in twenty lines, and then through what else a group does; nothing runs or waits then",
  { tags: ["long"] },
  async () => {
    const [team = [], more = [], ...others] = blocksOf("Three agents in a team");
    expect(others).toEqual([]);
    expect(team.length).toBeGreaterThan(10);
    expect(team.length).toBeLessThanOrEqual(20);
    expect(team[0]).toMatch(/^npx aimessage-server & /);
    const relay = await createRelay({ port: 0, store: "memory", noLimits: true });
    onTestFinished(() => relay[Symbol.asyncDispose]());
    const folder = temporaryFolder();
    onTestFinished(() => folder[Symbol.dispose]());
    const bin = join(folder.path, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "npx"), `#!/bin/sh\nshift\nexec '${process.execPath}' '${builtCli()}' "$@"\n`);
    chmodSync(join(bin, "npx"), 0o755);
    writeFileSync(join(folder.path, "package-lock.json"), "{}\n");
    const lines = [...team.slice(1), ...more];
    const ending = ["echo running: $(jobs -pr | wc -l)", "npx aimessage -u bob listen --once --json"];
    const script = ["trap 'kill $(jobs -p) 2>/dev/null' EXIT", ...lines, ...ending].join("\n");
    const { stdout, stderr } = await promisify(execFile)(
      "bash",
      ["-c", script.replaceAll("ws://localhost:8080", relay.url)],
      {
        env: {
          PATH: [bin, dirname(process.execPath), process.env["PATH"]].join(delimiter),
          AIMESSAGE_HOME: join(folder.path, "agents"),
        },
        cwd: folder.path,
        timeout: 50_000,
      },
    );
    const said = stdout.split("\n").map((line) => line.replace(/\d\d:\d\d:\d\d/, "14:30:18").replace("OFFLINE ", ""));
    for (const line of lines.filter((each) => each.startsWith("# "))) expect(said).toContain(line.slice(2));
    expect(stdout).toMatch(/^Members: +3: 1 admin/m);
    // What bob and carol have of each other.
    for (const answer of ["bob: 5", "carol: 25"])
      expect(said.filter((line) => line === `[14:30:18] @team ${answer}`)).toHaveLength(2);
    expect(stdout).toMatch(/what we depend on \[in\/package-lock\.json 3 B\]\n/);
    expect(said.slice(-3)).toEqual(["running: 0", '{"count":0}', ""]);
    expect(stderr).not.toContain("Warning");
  },
);
