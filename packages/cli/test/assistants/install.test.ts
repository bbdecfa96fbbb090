/** `install` and `uninstall`: what they write for each host, and what they refuse. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import * as fc from "fast-check";
import { parse as parseToml } from "smol-toml";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { expectBuilt } from "../../../../test/built.ts";
import { smallDisk } from "../../../../test/small-disk.ts";
import { programWords, shellLine, wordsOf } from "../../src/install/program-words.ts";
import { skillFile } from "../../src/install/skill.ts";
import { UneditableError } from "../../src/install/edit.ts";
import { readTarget, writeTarget } from "../../src/install/target.ts";
import { BIN } from "../console.ts";
import { createWorld, type World } from "../world.ts";

/** Bob, and a folder of a project. Of a user's settings nothing is touched here: all of them are a project's, or have a room of their own. */
async function bob() {
  const world = await createWorld();
  await world.register("bob");
  const cwd = join(dirname(world.home), "project");
  mkdirSync(cwd);
  const env = {
    HERMES_HOME: join(cwd, "hermes"),
    CODEX_HOME: join(cwd, "codex"),
    CLAUDE_CONFIG_DIR: join(cwd, "claude"),
    PATH: "",
  };
  const run = (line: string) => world.cli(line, { cwd, env });
  const read = (path: string) => readFileSync(join(cwd, path), "utf8");
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(cwd, path)), { recursive: true });
    writeFileSync(join(cwd, path), text);
  };
  const json = (path: string) => JSON.parse(read(path)) as unknown;
  return { world, cwd, run, read, write, json };
}

const words = ({ home }: World) => [process.execPath, BIN, "--home", home, "-u", "bob"];
const line = (world: World, rest: string) => `${shellLine(words(world))} ${rest}`;

describe("each host gets its server, its hooks and the skill", () => {
  test("Claude Code", async () => {
    const { world, run, json, read } = await bob();
    expect(await run("install claude --project")).toMatchObject({
      exit: 0,
      stderr: expect.stringContaining("Start Claude Code anew") as string,
    });
    const [command, ...args] = words(world);
    expect(json(".mcp.json")).toEqual({
      mcpServers: { aimessage: { type: "stdio", command, args: [...args, "mcp", "--max-wait", "50"] } },
    });
    const { hooks } = json(".claude/settings.json") as { hooks: Record<string, unknown> };
    expect(Object.keys(hooks)).toEqual(["SessionStart", "UserPromptSubmit", "PostToolUse", "Stop"]);
    expect(hooks["Stop"]).toEqual([
      { hooks: [{ type: "command", command: line(world, "hook Stop --for claude"), timeout: 10 }] },
    ]);
    expect(read(".claude/skills/aimessage/SKILL.md")).toBe(skillFile(words(world)));
    await run("install claude");
    expect(json("claude/.claude.json")).toEqual(json(".mcp.json"));
    expect(json("claude/settings.json")).toEqual(json(".claude/settings.json"));
  });

  test("Codex", async () => {
    const { world, run, json, read } = await bob();
    await run("install codex --project");
    const [command, ...args] = words(world);
    const server = { command, args: [...args, "mcp", "--max-wait", "50"], tool_timeout_sec: 60 };
    expect(parseToml(read(".codex/config.toml"))).toEqual({ mcp_servers: { aimessage: server } });
    const { hooks } = json(".codex/hooks.json") as { hooks: Record<string, unknown> };
    expect(hooks["Stop"]).toEqual([
      { hooks: [{ type: "command", command: line(world, "hook Stop --for codex"), timeout: 10 }] },
    ]);
    expect(read(".agents/skills/aimessage/SKILL.md")).toBe(skillFile(words(world)));
  });

  test("Hermes", async () => {
    const { world, run, read } = await bob();
    await run("install hermes");
    const [command, ...args] = words(world);
    expect(parseYaml(read("hermes/config.yaml"))).toEqual({
      mcp_servers: { aimessage: { command, args: [...args, "mcp", "--max-wait", "50"] } },
      hooks: {
        pre_llm_call: [{ command: line(world, "hook pre_llm_call --for hermes"), timeout: 10 }],
        pre_verify: [{ command: line(world, "hook pre_verify --for hermes"), timeout: 10 }],
      },
    });
    expect(read("hermes/skills/aimessage/SKILL.md")).toBe(skillFile(words(world)));
    expect(await run("install hermes --project")).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining("no settings of a project") as string,
    });
  });

  test("Gemini CLI", async () => {
    const { world, run, json } = await bob();
    await run("install gemini --project");
    const { hooks, mcpServers } = json(".gemini/settings.json") as Record<string, Record<string, unknown>>;
    const [command, ...args] = words(world);
    expect(mcpServers).toEqual({ aimessage: { command, args: [...args, "mcp", "--max-wait", "50"] } });
    const hook = {
      type: "command",
      name: "aimessage",
      command: line(world, "hook AfterAgent --for gemini"),
      timeout: 10_000,
    };
    expect(hooks?.["AfterAgent"]).toEqual([{ hooks: [hook] }]);
    expect(Object.keys(hooks ?? {})).toEqual(["SessionStart", "BeforeAgent", "AfterTool", "AfterAgent"]);
  });

  test("Cursor", async () => {
    const { world, run, json } = await bob();
    await run("install cursor --project");
    const hook = (event: string) => [{ command: line(world, `hook ${event} --for cursor`) }];
    expect(json(".cursor/hooks.json")).toEqual({
      version: 1,
      hooks: { sessionStart: hook("sessionStart"), postToolUse: hook("postToolUse"), stop: hook("stop") },
    });
    const [command, ...args] = words(world);
    expect(json(".cursor/mcp.json")).toEqual({ mcpServers: { aimessage: { command, args: [...args, "mcp"] } } });
  });
});

test("what is written works: a shell runs its hook, and the official client its server, with no variable of ours", async () => {
  expectBuilt();
  const { world, run, json } = await bob();
  await run("install claude --project");
  await world.register("alice");
  const sent = world.cli("-u alice send -t bob -m hello --wait received");
  await world.cli("-u bob watch --count 1 --timeout 30");
  await sent;
  const env = { PATH: "/usr/bin:/bin" };
  const { hooks } = json(".claude/settings.json") as { hooks: { Stop: { hooks: { command: string }[] }[] } };
  const hook = hooks.Stop[0]?.hooks[0]?.command ?? "";
  const { stdout, status } = spawnSync("sh", ["-c", hook], { input: '{"session_id":"s"}', encoding: "utf8", env });
  expect({ status, said: JSON.parse(stdout) as unknown }).toMatchObject({ status: 0, said: { decision: "block" } });
  const { mcpServers } = json(".mcp.json") as { mcpServers: { aimessage: { command: string; args: string[] } } };
  const { command, args } = mcpServers.aimessage;
  const client = new Client({ name: "tests", version: "1.0.0" });
  onTestFinished(() => client.close());
  await client.connect(new StdioClientTransport({ command, args, env, stderr: "inherit" }));
  const { content } = await client.callTool({ name: "check_inbox", arguments: {} });
  expect(JSON.stringify(content)).toContain("alice");
});

test("--print shows what would come and go, and writes nothing; JSON says it to programs", async () => {
  const { world, cwd, run, write, read } = await bob();
  write(".claude/settings.json", '{\n  "model": "opus" // mine\n}\n');
  const { stdout } = await run("install claude --project --print");
  expect(stdout).toContain(
    'settings.json: to be changed\n    -   "model": "opus" // mine\n    +   "model": "opus", // mine\n    +   "hooks": {\n',
  );
  expect(existsSync(join(cwd, ".mcp.json"))).toBe(false);
  expect(read(".claude/settings.json")).toBe('{\n  "model": "opus" // mine\n}\n');
  const { files, ...rest } = JSON.parse((await run("install claude --project --json")).stdout) as {
    files: { change: string }[];
  };
  expect(rest).toEqual({ host: "claude", agent: "bob", scope: "project", printed: false });
  expect(files.map(({ change }) => change)).toEqual(["create", "change", "create"]);
  expect((await run("install claude --project")).stdout.match(/: as it was\n/g)).toHaveLength(3);
  expect((await run("uninstall claude --project --print")).stdout).toContain("to be removed");
  await run("uninstall claude --project");
  expect(read(".claude/settings.json")).toBe('{\n  "model": "opus" // mine\n}\n');
  expect((await run("uninstall claude --project")).stdout.match(/: as it was\n/g)).toHaveLength(3);
  expect(existsSync(join(world.home, "installed.d"))).toBe(false);
});

test("hosts that are set up at the same time are all known, and given back byte for byte", async () => {
  const { cwd, run, write, read } = await bob();
  const hosts = ["claude", "codex", "gemini", "cursor"];
  const before = { ".gemini/settings.json": '{"a":1}', ".claude/settings.json": '{\n  "model": "opus"\n}' };
  for (const [path, text] of Object.entries(before)) write(path, text);
  for (const { exit } of await Promise.all(hosts.map((host) => run(`install ${host} --project`)))) expect(exit).toBe(0);
  for (const { exit } of await Promise.all(hosts.map((host) => run(`uninstall ${host} --project`))))
    expect(exit).toBe(0);
  for (const [path, text] of Object.entries(before)) expect(read(path)).toBe(text);
  const left = readdirSync(cwd, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(left.map(({ parentPath, name }) => relative(cwd, join(parentPath, name))).toSorted()).toEqual(
    Object.keys(before).toSorted(),
  );
});

test("where what was written cannot be remembered, nothing is written, and the error says where there is no room", async ({
  skip,
}) => {
  using disk = smallDisk("2m");
  if (disk === undefined) {
    skip("no right to mount a small disk");
    return;
  }
  const { world, cwd } = await bob();
  const home = join(disk.path, "home");
  expect((await world.cli(["register", "-u", "dora", "--home", home])).exit).toBe(0);
  disk.fill();
  const words = ["--home", home, "-u", "dora", "install", "claude", "--project"];
  const { exit, stderr } = await world.cli(words, { cwd, env: { PATH: "" } });
  expect([exit, stderr]).toEqual([1, expect.stringContaining(`no space left for ${join(home, "installed.d")}`)]);
  expect(readdirSync(cwd)).toEqual([]);
  disk.free();
  expect((await world.cli(words, { cwd, env: { PATH: "" } })).exit).toBe(0);
});

test("one host that is set up several times at once is given back byte for byte, whoever was first", async () => {
  const { cwd, run, write, read } = await bob();
  const before = { ".mcp.json": '\u{feff}{"mcpServers" : {}}\r\n', ".claude/settings.json": '{"hooks":{"Stop":[ ]}}' };
  for (let round = 0; round < 5; round++) {
    for (const [path, text] of Object.entries(before)) write(path, text);
    const all = await Promise.all(Array.from({ length: 4 }, () => run("install claude --project")));
    expect(all.filter(({ exit }) => exit === 0).length).toBeGreaterThan(0);
    expect((await run("uninstall claude --project")).exit).toBe(0);
    for (const [path, text] of Object.entries(before)) expect(read(path)).toBe(text);
    expect(existsSync(join(cwd, ".claude/skills"))).toBe(false);
  }
});

describe("refused, with the file and the place, and nothing is written", () => {
  const refused: [why: string, host: string, path: string, text: string, says: RegExp][] = [
    [
      "no JSON",
      "claude",
      ".claude/settings.json",
      '{\n  "a": 1\n  "b": 2\n}',
      /settings\.json, line 3: it is no JSON: comma expected/,
    ],
    ["no object", "claude", ".claude/settings.json", "[]", /settings\.json, line 1: it is no JSON object/],
    [
      "hooks of another shape",
      "claude",
      ".claude/settings.json",
      '{\n "hooks": []\n}',
      /settings\.json, line 2: "hooks" is no object/,
    ],
    [
      "a key that stands twice",
      "claude",
      ".claude/settings.json",
      '{"hooks":{},"hooks":{}}',
      /"hooks" stands there twice/,
    ],
    [
      "somebody else's server",
      "claude",
      ".mcp.json",
      '{"mcpServers":{"aimessage":{"command":"other"}}}',
      /"mcpServers\.aimessage" is there, and is not as install writes it/,
    ],
    [
      "somebody else's server that has a folder of this name among its words",
      "claude",
      ".mcp.json",
      '{"mcpServers":{"aimessage":{"command":"docker","args":["run","-v","/src/aimessage","mcp"]}}}',
      /"mcpServers\.aimessage" is there, and is not as install writes it; remove or rename it/,
    ],
    [
      "a server of ours with fewer rights",
      "gemini",
      ".gemini/settings.json",
      '{"mcpServers":{"aimessage":{"command":"aimessage","args":["-u","bob","mcp","--read-only"]}}}',
      /"mcpServers\.aimessage" is there, and is not as install writes it/,
    ],
    [
      "somebody else's table of this name",
      "codex",
      ".codex/config.toml",
      '[mcp_servers.aimessage]\ncommand = "docker"\nargs = ["run", "/src/aimessage", "mcp"]\n',
      /"mcp_servers\.aimessage" is there, and is not as install writes it/,
    ],
    ["no TOML", "codex", ".codex/config.toml", "a = 1\nb = = 2\n", /config\.toml, line 2: it is no TOML/],
    [
      "a table that cannot grow",
      "codex",
      ".codex/config.toml",
      "mcp_servers = {}\n",
      /"mcp_servers" is written there in a way/,
    ],
    ["no UTF-8", "gemini", ".gemini/settings.json", "\u{fffd}", /settings\.json: it is no UTF-8 text/],
  ];
  test.each(refused)("%s", async (_, host, path, text, says) => {
    const { cwd, run, write, read } = await bob();
    write(path, text);
    if (text === "\u{fffd}") writeFileSync(join(cwd, path), Buffer.from([0x7b, 0xff, 0x7d]));
    const before = readFileSync(join(cwd, path));
    const { exit, stderr, stdout } = await run(`install ${host} --project`);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(stderr).toMatch(says);
    expect(readFileSync(join(cwd, path))).toEqual(before);
    // All files are looked at before one is written.
    for (const other of [".mcp.json", ".codex/hooks.json", ".agents", ".gemini/skills"])
      if (!path.startsWith(other)) expect(existsSync(join(cwd, other))).toBe(false);
    expect(read(path).length).toBeGreaterThan(0);
  });

  test("no YAML of one document", async () => {
    const { run, write, read } = await bob();
    for (const [text, says] of [
      ["a: b: c\n", /config\.yaml, line 1: it is no YAML/],
      ["a: 1\n---\nb: 2\n", /it is no YAML of one document/],
      ["hooks: later\n", /config\.yaml, line 1: "hooks" is no mapping/],
    ] as const) {
      write("hermes/config.yaml", text);
      const { exit, stderr } = await run("install hermes");
      expect(exit).toBe(2);
      expect(stderr).toMatch(says);
      expect(read("hermes/config.yaml")).toBe(text);
    }
  });

  test("a file that has changed since it was read", async () => {
    const { cwd, write, read } = await bob();
    write("settings.json", "{}");
    const target = readTarget(join(cwd, "settings.json"));
    write("settings.json", '{"new":1}');
    expect(() => writeTarget(target, "ours", 0o600)).toThrow(UneditableError);
    expect(read("settings.json")).toBe('{"new":1}');
    const none = readTarget(join(cwd, "none.json"));
    write("none.json", "{}");
    expect(() => writeTarget(none, "ours", 0o600)).toThrow();
    expect(read("none.json")).toBe("{}");
  });

  test("an agent that is not there, several of them, and a host that is none", async () => {
    const { world, run } = await bob();
    expect(await run("-u carol install claude --project")).toMatchObject({ exit: 3 });
    await world.register("carol");
    expect(await run("install claude --project")).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining("name one by -u") as string,
    });
    expect(await run("-u carol install emacs")).toMatchObject({ exit: 2 });
    expect(await run("-u carol install claude --user --project")).toMatchObject({ exit: 2 });
  });
});

test("a hook of ours to whose group somebody has added another goes alone, and so does one of another agent", async () => {
  const { world, run, write, read, json } = await bob();
  await run("install claude --project");
  const settings = json(".claude/settings.json") as { hooks: Record<string, { hooks: object[] }[]> };
  const theirs = { type: "command", command: "say done" };
  settings.hooks["Stop"]?.[0]?.hooks.push(theirs);
  write(".claude/settings.json", JSON.stringify(settings));
  await world.register("carol");
  await run("-u carol install claude --project");
  expect(read(".claude/settings.json")).not.toContain("-u bob");
  const { hooks } = json(".claude/settings.json") as typeof settings;
  expect(hooks["Stop"]).toHaveLength(2);
  expect(hooks["Stop"]?.[0]).toEqual({ hooks: [theirs] });
  await run("uninstall claude --project");
  expect(json(".claude/settings.json")).toEqual({ hooks: { Stop: [{ hooks: [theirs] }] } });
});

const theirs = [
  "git stash push -m aimessage && ~/bin/save.sh hook Stop --for me",
  "~/bin/lint.sh; cd ~/src/aimessage && make hook Stop --for claude",
  "git commit -am wip; /usr/bin/aimessage -u bob hook Stop --for claude",
  "/usr/bin/aimessage -u bob hook Stop --for claude; rm -f lock",
  "aimessage -u bob hook Stop --for claude >> ~/log",
  "aimessage -u $NAME hook Stop --for claude",
  'aimessage -u "$(whoami)" hook Stop --for claude',
  "NAME=bob aimessage -u bob hook Stop --for claude",
  "exec aimessage -u bob hook Stop --for claude",
  "/usr/bin/env aimessage -u bob hook Stop --for claude",
  "./aimessage -u bob hook Stop --for claude",
  "node bin/aimessage.js -u bob hook Stop --for claude",
  "aimessage hook Stop --for claude",
  "aimessage -u bob hook Stop --for me",
  "aimessage -u bob hook Stop --for claude --json",
  "/opt/aimessage.sh -u bob hook Stop --for claude",
  "aimessage -u bob hook Stop --for claude\nsay done",
];

test.each([
  ["claude", ".claude/settings.json", (command: string): object => ({ hooks: [{ type: "command", command }] })],
  ["cursor", ".cursor/hooks.json", (command: string): object => ({ command })],
])("hooks of %s that only look like ours stay, and are there afterwards", async (host, path, hook) => {
  const { run, write, read, json } = await bob();
  const event = host === "cursor" ? "stop" : "Stop";
  const text = JSON.stringify({ version: 1, hooks: { [event]: theirs.map(hook) } }, null, 2);
  write(path, text);
  await run(`install ${host} --project`);
  const { hooks } = json(path) as { hooks: Record<string, unknown[]> };
  expect(hooks[event]).toHaveLength(theirs.length + 1);
  expect(hooks[event]).toEqual(expect.arrayContaining(theirs.map(hook)));
  // Also where nobody remembers what was written.
  write(path, `${read(path)}\n`);
  await run(`uninstall ${host} --project`);
  expect(json(path)).toEqual(JSON.parse(text));
});

test("hooks of Hermes that only look like ours stay, too, and so does a server", async () => {
  const { run, write, read } = await bob();
  const text = `hooks:\n  pre_verify:\n${theirs.map((command) => `    - command: ${JSON.stringify(command)}\n`).join("")}`;
  write("hermes/config.yaml", text);
  await run("install hermes");
  expect(read("hermes/config.yaml")).toContain("hook pre_verify --for hermes");
  write("hermes/config.yaml", `${read("hermes/config.yaml")}# mine\n`);
  await run("uninstall hermes");
  expect(parseYaml(read("hermes/config.yaml"))).toEqual(parseYaml(text));
  const server = 'mcp_servers:\n  aimessage:\n    command: docker\n    args: ["run", "/src/aimessage", "mcp"]\n';
  write("hermes/config.yaml", server);
  expect(await run("install hermes")).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('"mcp_servers.aimessage" is there, and is not as install writes it') as string,
  });
  expect((await run("uninstall hermes")).stdout).toContain(
    '"mcp_servers.aimessage" is not as install writes it, and stays',
  );
  expect(read("hermes/config.yaml")).toBe(server);
});

test("what a user has added to our server, as variables, stays when it is installed again, and goes with it", async () => {
  const { cwd, run, write, read, json } = await bob();
  await run("install claude --project");
  const servers = json(".mcp.json") as { mcpServers: { aimessage: object } };
  Object.assign(servers.mcpServers.aimessage, { env: { AIMESSAGE_PASSPHRASE_FILE: "/p" } });
  write(".mcp.json", JSON.stringify(servers));
  await run("install codex --project");
  const toml = `${read(".codex/config.toml")}\n[mcp_servers.aimessage.env]\nAIMESSAGE_PASSPHRASE_FILE = "/p"\n`;
  write(".codex/config.toml", toml);
  for (const host of ["claude", "codex"])
    expect((await run(`install ${host} --project`)).stdout.match(/: as it was\n/g)).toHaveLength(3);
  expect(json(".mcp.json")).toEqual(servers);
  expect(read(".codex/config.toml")).toBe(toml);
  for (const host of ["claude", "codex"]) await run(`uninstall ${host} --project`);
  for (const path of [".mcp.json", ".codex/config.toml"]) expect(existsSync(join(cwd, path))).toBe(false);
});

test("what is ours is found whatever is in its words, a line break too", async () => {
  const { world, cwd, write, read, json } = await bob();
  const home = join(cwd, "a home\nof 'two' $lines; ", "_npx");
  cpSync(world.home, home, { recursive: true });
  for (const host of ["claude", "cursor", "codex", "gemini"]) {
    const install = ["--home", home, "install", host, "--project"];
    expect(await world.cli(install, { cwd })).toMatchObject({ exit: 0 });
    expect((await world.cli(install, { cwd })).stdout).not.toMatch(/written|changed/);
  }
  expect(await world.cli(["--home", home, "install", "hermes"], { cwd, env: { HERMES_HOME: cwd } })).toMatchObject({
    exit: 0,
  });
  const { hooks } = json(".cursor/hooks.json") as { hooks: { stop: { command: string }[] } };
  expect(wordsOf(hooks.stop[0]?.command ?? "")).toContain(home);
  write(".cursor/hooks.json", `${read(".cursor/hooks.json")}\n`);
  await world.cli(["--home", home, "uninstall", "cursor", "--project"], { cwd });
  expect(existsSync(join(cwd, ".cursor/hooks.json"))).toBe(false);
});

test("a skill that somebody has changed stays, and one of an earlier version is replaced", async () => {
  const { cwd, run, write, read } = await bob();
  await run("install gemini --project");
  const skill = ".gemini/skills/aimessage/SKILL.md";
  write(skill, "mine\n");
  expect((await run("install gemini --project")).stdout).toContain("was not written by this install; it stays");
  expect((await run("uninstall gemini --project")).stdout).toContain("SKILL.md: it was changed, and stays");
  expect(read(skill)).toBe("mine\n");
  expect(existsSync(join(cwd, ".gemini/settings.json"))).toBe(false);
});

test("a file keeps its mode and its place behind links; a link that leads nowhere yet is followed, too", async () => {
  const { cwd, run, write, read } = await bob();
  write("dotfiles/settings.json", "{}");
  chmodSync(join(cwd, "dotfiles/settings.json"), 0o664);
  mkdirSync(join(cwd, ".claude"));
  symlinkSync("../dotfiles/settings.json", join(cwd, ".claude/settings.json"));
  symlinkSync("dotfiles/mcp.json", join(cwd, ".mcp.json"));
  await run("install claude --project");
  expect(read("dotfiles/settings.json")).toContain("hook Stop --for claude");
  expect(read("dotfiles/mcp.json")).toContain("mcpServers");
  expect(statSync(join(cwd, "dotfiles/settings.json")).mode & 0o777).toBe(0o664);
  await run("uninstall claude --project");
  expect(read("dotfiles/settings.json")).toBe("{}");
  expect(existsSync(join(cwd, "dotfiles/mcp.json"))).toBe(false);
});

describe("in a project, which somebody else may have made, no link leads out of it", () => {
  test.each([
    [".mcp.json", ".mcp.json", "victim.json"],
    [".claude/settings.json", ".claude/settings.json", "victim.json"],
    [".claude/skills/aimessage/SKILL.md", ".claude/skills/aimessage/SKILL.md", "new file"],
    [".claude/skills/aimessage/SKILL.md", ".claude/skills", "new folder/skills"],
    [".claude/settings.json", ".claude", "folder"],
  ])("%s by %s to %s", async (_, link, to) => {
    const { cwd, run } = await bob();
    const outside = join(dirname(cwd), "project of others");
    mkdirSync(join(outside, "folder"), { recursive: true });
    writeFileSync(join(outside, "victim.json"), "{}");
    mkdirSync(dirname(join(cwd, link)), { recursive: true });
    symlinkSync(relative(dirname(join(cwd, link)), join(outside, to)), join(cwd, link));
    for (const command of ["install", "uninstall"]) {
      const { exit, stdout, stderr } = await run(`${command} claude --project`);
      expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
      expect(stderr).toContain(`${join(cwd, link)} is a link that leads out of the project, to ${join(outside, to)}`);
    }
    expect(readdirSync(outside)).toEqual(["folder", "victim.json"]);
    expect(readdirSync(join(outside, "folder"))).toEqual([]);
    expect(readFileSync(join(outside, "victim.json"), "utf8")).toBe("{}");
    expect(existsSync(join(cwd, ".mcp.json"))).toBe(link === ".mcp.json");
  });

  test("a project that is reached by a link is one all the same, and a link of a user leads anywhere", async () => {
    const { world, cwd, run, read } = await bob();
    symlinkSync(cwd, `${cwd} link`);
    expect(await world.cli("install claude --project", { cwd: `${cwd} link` })).toMatchObject({ exit: 0 });
    expect(read(".mcp.json")).toContain("mcpServers");
    mkdirSync(join(cwd, "claude"));
    symlinkSync(join(dirname(cwd), "dotfiles.json"), join(cwd, "claude/settings.json"));
    expect(await run("install claude")).toMatchObject({ exit: 0 });
    expect(readFileSync(join(dirname(cwd), "dotfiles.json"), "utf8")).toContain("hook Stop");
  });
});

test.skipIf(process.geteuid?.() !== 0)(
  "root in the home of another user makes files of that user's, and is led to none of its own",
  async () => {
    const { cwd, run, write, read } = await bob();
    write("root.json", "{}");
    chmodSync(join(cwd, "root.json"), 0o600);
    const room = join(cwd, "hermes");
    mkdirSync(room);
    chownSync(room, 12_345, 12_345);
    for (let up = cwd; up !== dirname(tmpdir()); up = dirname(up)) chmodSync(up, statSync(up).mode | 0o055);
    expect(await run("install hermes")).toMatchObject({ exit: 0 });
    for (const path of ["config.yaml", "skills", "skills/aimessage", "skills/aimessage/SKILL.md"])
      expect({ path, uid: statSync(join(room, path)).uid }).toEqual({ path, uid: 12_345 });
    await run("uninstall hermes");
    symlinkSync("../root.json", join(room, "config.yaml"));
    expect(await run("install hermes")).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining("config.yaml") as string,
    });
    expect(read("root.json")).toBe("{}");
  },
);

describe("the program is named", () => {
  test("by its name where the user's PATH finds this very program by it", async () => {
    const { cwd, write } = await bob();
    write("real.js", "");
    write("other.js", "");
    for (const [folder, to] of [
      ["bin", "real.js"],
      ["others", "other.js"],
      ["node_modules/.bin", "real.js"],
    ] as const) {
      mkdirSync(join(cwd, folder), { recursive: true });
      chmodSync(join(cwd, to), 0o755);
      symlinkSync(join(cwd, to), join(cwd, folder, "aimessage"));
    }
    const whole = ["/n/node", join(cwd, "real.js")];
    let runs = true;
    const named = (...folders: string[]) =>
      programWords({
        execPath: "/n/node",
        script: join(cwd, "real.js"),
        runs: () => runs,
        env: { PATH: folders.map((folder) => join(cwd, folder)).join(":") },
      });
    expect(named("bin")).toEqual(["aimessage"]);
    expect(named("node_modules/.bin", "bin")).toEqual(["aimessage"]);
    // npx has put it there for the time of one command.
    expect(named("node_modules/.bin")).toEqual(whole);
    // Another program of that name comes first.
    expect(named("others", "bin")).toEqual(whole);
    expect(named()).toEqual(whole);
    // It is this program, and the Node that PATH finds is too old for it.
    runs = false;
    expect(named("bin")).toEqual(whole);
    expect(programWords({ execPath: "/opt/aimessage", script: undefined, env: {}, runs: () => true })).toEqual([
      "/opt/aimessage",
    ]);
  });

  test("in a shell's words, whatever is in its path", () => {
    expect(shellLine(["/a/b", "-u", "bob"])).toBe("/a/b -u bob");
    expect(shellLine(["/a b/$x", "it's"])).toBe(String.raw`'/a b/$x' 'it'\''s'`);
    const text = fc.string({ unit: fc.constantFrom("a", "'", '"', "\\", "$", "`", ";", " ", "\t", "\n") });
    fc.assert(
      fc.property(fc.array(text), (words) => {
        expect(wordsOf(shellLine(words))).toEqual(words);
      }),
    );
  });
});
