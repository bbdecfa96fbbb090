// @module-tag long
/** The examples, as their first lines say. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRelay } from "@aimessage/server";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "./built.ts";
import { freePort, temporaryFolder } from "./processes/processes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const example = (name: string) => join(root, "examples", name);

/** A relay, and a home whose agents are known to every process that is started here. */
async function world(server?: string) {
  const relay = await createRelay({ port: 0, store: "memory", noLimits: true });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const cliBin = builtCli();
  const env = {
    ...process.env,
    AIMESSAGE_HOME: folder.path,
    AIMESSAGE_SERVER: server ?? relay.url,
    AIMESSAGE_COMMAND: `'${process.execPath}' '${cliBin}'`,
    PYTHONPATH: join(root, "clients/python"),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const run = async (...words: string[]) => (await promisify(execFile)(process.execPath, words, { env })).stdout;
  const cli = (...words: string[]) => run(cliBin, ...words);
  const start = (command: string, ...words: string[]): ChildProcess => {
    const child = spawn(command, words, { env, stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
  const startCli = (...words: string[]) => start(process.execPath, cliBin, ...words);
  return { relay, run, cli, start, startCli };
}

test("each is shorter than a screen or two, and has a page of its own that shows it as it is", () => {
  const files = readdirSync(join(root, "examples")).filter((file) => file !== "README.md");
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) {
    const source = readFileSync(example(file), "utf8");
    expect({ file, short: source.split("\n").length < 60 }).toEqual({ file, short: true });
    const page = `docs/examples/${file.replace(/\.\w+$/, "").replaceAll("_", "-")}.md`;
    expect(readFileSync(join(root, page), "utf8"), page).toContain(`\n${source}\`\`\`\n`);
    expect(readFileSync(example("README.md"), "utf8")).toContain(`(../${page})`);
  }
});

test("two agents negotiate", async () => {
  const { relay, run } = await world();
  const said = await run(example("negotiate.ts"), relay.url);
  expect(said).toMatch(/^round 1: buyer offers 40, seller asks 90\n(round .*\n)*round \d+: .* seller agrees\n$/);
});

test("two agents exchange files", async () => {
  const { relay, run } = await world();
  const said = await run(example("exchange-files.ts"), relay.url);
  expect(said).toBe("printer: 2 lines\nnumbered.txt, 35 bytes:\n1 call me Ishmael\n2 some years ago\n");
});

test("five agents share work in a group", async () => {
  const { relay, run } = await world();
  const said = await run(example("team-work.ts"), relay.url);
  expect(said.split("\n")).toEqual([
    'ann: 3 words in "call me Ishmael"',
    'ben: 3 words in "some years ago"',
    'cleo: 4 words in "never mind how long"',
    'dan: 5 words in "having little or no money"',
    'ann: 3 words in "in my purse"',
    "all 4 have handled all 5 tasks",
    "",
  ]);
});

test("without a relay they say so, and what to do, by whatever its address is given", async () => {
  const { run } = await world("ws://127.0.0.1:1");
  const said = await run(example("negotiate.ts")).catch((error: unknown) => error);
  expect(said).toMatchObject({ code: 1, stderr: expect.stringMatching(/^no relay answers.*\nHint: .*\n$/) as string });
});

test("a shell script answers, and refuses what it does not know", async () => {
  const { cli, startCli } = await world();
  for (const name of ["alice", "machine"]) await cli("register", "-u", name);
  startCli("-u", "machine", "listen", "--exec", `'${example("shell-agent.sh")}'`, "--reply");
  expect(await cli("ask", "-u", "alice", "-t", "machine", "-m", "who")).toBe("you are alice (verified: false)\n");
  const refused = await cli("ask", "-u", "alice", "-t", "machine", "-m", "dance").catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("I know: uptime, disk, who") as string });
});

test("a web service answers", { tags: ["long"] }, async () => {
  const { cli, start, startCli } = await world();
  for (const name of ["alice", "service"]) await cli("register", "-u", name);
  const port = await freePort();
  const receiver = start(process.execPath, example("webhook-receiver.ts"), String(port));
  await once(receiver.stdout ?? receiver, "data");
  const hook = `http://127.0.0.1:${port}/`;
  startCli("-u", "service", "listen", "--webhook", hook, "--reply");
  expect(await cli("ask", "-u", "alice", "-t", "service", "-m", "hello")).toBe("alice said 5 characters\n");
});

test.each(["legacy", "modern"])("an assistant answers by MCP, %s", async (era) => {
  const { cli, start } = await world();
  for (const name of ["alice", "helper"]) await cli("register", "-u", name);
  start(process.execPath, example("mcp-assistant.ts"), "helper", era);
  expect(await cli("ask", "-u", "alice", "-t", "helper", "-m", "hello")).toBe("alice wrote 5 characters\n");
});

test.skipIf(spawnSync("python3", ["--version"]).status !== 0)("a Python program answers", async () => {
  const { cli, start } = await world();
  for (const name of ["alice", "counter"]) await cli("register", "-u", name);
  const counter = start("python3", example("python_agent.py"), "counter");
  expect(await cli("ask", "-u", "alice", "-t", "counter", "-m", "how many words are these")).toBe("5\n");
  const ended = once(counter, "exit");
  counter.kill("SIGINT");
  // By itself, and not by a traceback, which ends with 1.
  expect(await ended).toEqual([130, null]);
});
