/** The skill and the plugin say what is true. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { hookCall } from "../../src/hook/call.ts";
import { hosts } from "../../src/hook/hosts.ts";
import { llmsText, skillFile } from "../../src/install/skill.ts";
import { VERSION } from "../../src/version.ts";
import { aimessage } from "../console.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const json = (path: string) => JSON.parse(read(path)) as Record<string, unknown>;

test("the plugin's skill and llms.txt are made of the one text: node build/skill.ts", () => {
  expect(read("integrations/plugin/skills/aimessage/SKILL.md")).toBe(skillFile());
  expect(read("llms.txt")).toBe(llmsText());
});

test("the skill is short, and has a name and a description that hosts take (agentskills.io)", () => {
  const lines = skillFile().trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(60);
  expect(lines[1]).toBe("name: aimessage");
  const [, description = ""] = /^description: (".*")$/m.exec(skillFile()) ?? [];
  expect((JSON.parse(description) as string).length).toBeLessThan(1_024);
});

test("files that llms.txt leads to are there", () => {
  const links = [...llmsText().matchAll(/\]\(([^)]+)\)/g)].map(([, path = ""]) => path);
  expect(links.length).toBeGreaterThan(3);
  for (const path of links) expect(read(path).length).toBeGreaterThan(0);
});

test("each command of the skill exists, with each of its flags", async () => {
  const named = [...skillFile().matchAll(/^aimessage ([a-z]+)(.*?)(?: {2,}#.*)?$/gm)].map(
    ([, command = "", rest = ""]) => ({ command, rest }),
  );
  expect(named.length).toBeGreaterThan(15);
  for (const { command, rest } of named) {
    const { exit, stdout } = await aimessage([command, "--help"]);
    expect({ command, exit }).toEqual({ command, exit: 0 });
    for (const [flag] of rest.replaceAll(/"[^"]*"|'[^']*'/g, "").matchAll(/(?<=\s)--?[a-z][a-z-]*/g))
      expect({ command, flag, help: stdout }).toMatchObject({
        help: expect.stringMatching(new RegExp(`${flag}\\b`)) as string,
      });
  }
  // In its words, too.
  const words = [...skillFile().matchAll(/`([a-z]+)`/g)]
    .map(([, word = ""]) => word)
    .filter((word) => !["trust", "hint", "status"].includes(word));
  const { stdout: help } = await aimessage(["--help"]);
  for (const word of words)
    expect({ word, help }).toMatchObject({ help: expect.stringMatching(new RegExp(`^  ${word} `, "m")) as string });
});

test("the plugin has the same version, server and hooks in both of its formats, and nothing in the portable one that it does not know", () => {
  const plugin = "integrations/plugin";
  const manifest = json(`${plugin}/plugin.json`);
  const known = new Set([
    "$schema",
    "name",
    "version",
    "description",
    "author",
    "homepage",
    "repository",
    "license",
    "keywords",
    "extensions",
  ]);
  expect(Object.keys(manifest).filter((key) => !known.has(key))).toEqual([]);
  const claude = json(`${plugin}/.claude-plugin/plugin.json`);
  for (const key of ["name", "description", "license", "keywords"]) expect(claude[key]).toEqual(manifest[key]);
  expect([manifest["version"], claude["version"]]).toEqual([VERSION, VERSION]);
  expect(json(`${plugin}/mcp.json`)["mcpServers"]).toEqual(json(`${plugin}/.mcp.json`)["mcpServers"]);
  const { hooks } = json(`${plugin}/hooks/hooks.json`) as { hooks: Record<string, { hooks: { command: string }[] }[]> };
  expect(Object.keys(hooks)).toEqual(Object.keys(hosts.claude));
  for (const [event, [group]] of Object.entries(hooks)) {
    const [program, ...words] = group?.hooks[0]?.command.split(" ") ?? [];
    expect(program).toBe("aimessage");
    expect(hookCall(words)).toEqual({ event, host: "claude" });
    expect(hookCall([...words, "--for", "claude"])).toBeUndefined();
  }
  const [monitor] = JSON.parse(read(`${plugin}/monitors/monitors.json`)) as { command: string }[];
  expect(monitor?.command).toBe("aimessage watch");
  expect(readdirSync(join(root, plugin)).toSorted()).toEqual(
    [".claude-plugin", ".mcp.json", "README.md", "hooks", "mcp.json", "monitors", "plugin.json", "skills"].toSorted(),
  );
});

test("README and recipes name no flag of watch, install or hook that there is not", async () => {
  for (const command of ["watch", "install", "uninstall", "hook"]) {
    const { stdout } = await aimessage([command, "--help"]);
    for (const document of ["README.md", "docs/recipes.md", "docs/doors.md", "integrations/plugin/README.md"])
      for (const [, rest = ""] of read(document).matchAll(
        new RegExp(`aimessage (?:-u \\w+ )?${command}( [^\`\\n]*)`, "g"),
      ))
        for (const [flag] of rest
          .replaceAll(/"[^"]*"|'[^']*'/g, "")
          .replace(/#.*|&&.*/, "")
          .matchAll(/(?<=\s)--[a-z-]+/g))
          expect(stdout).toContain(flag);
  }
});
