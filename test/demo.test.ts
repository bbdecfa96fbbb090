/** The demo, as it is run by hand: `npm run demo`, without the build, since the tests have built. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { expectBuilt } from "./built.ts";
import { pictureOf } from "../demo/picture.ts";
import { eventually } from "./waiting.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const titles = [...read("demo/story.ts").matchAll(/title\("(.*)"\)/g)].map(([, title = ""]) => title);

interface Demo {
  readonly child: ChildProcessWithoutNullStreams;
  /** Where its folder lies; the demo's processes name it in their command lines. */
  readonly folder: string;
  readonly said: { stdout: string; stderr: string };
}

function startDemo(env: Record<string, string> = {}): Demo {
  expectBuilt();
  const folder = mkdtempSync(join(tmpdir(), "where demos play "));
  const child = spawn(process.execPath, ["demo/main.ts", "--built"], {
    cwd: root,
    env: { ...process.env, TMPDIR: folder, ...env },
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (part: Buffer) => (said[name] += part.toString()));
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "close");
      child.kill("SIGKILL");
      await ended;
    }
    await eventually("the demo's folder is gone", () => readdirSync(folder).length === 0);
    rmSync(folder, { recursive: true });
  });
  return { child, folder, said };
}

/** Ids of the processes that work in a folder: those of Linux. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, "utf8").includes(`AIMESSAGE_HOME=${folder}`);
    } catch {
      return false;
    }
  });
}

test(
  "the demo keeps all its promises, fits into 80 columns, and leaves nothing behind",
  { tags: ["long"] },
  async () => {
    const { child, folder, said } = startDemo();
    const [code] = (await once(child, "close")) as [number];
    expect({ code, stderr: said.stderr }).toEqual({ code: 0, stderr: "" });
    for (const title of titles) expect(said.stdout).toMatch(new RegExp(`^\\d+\\. ${title}$`, "m"));
    for (const states of [/(queued > )?stored/, /(\w+ > )*handled/, /(\w+ > )*failed/])
      expect(said.stdout).toMatch(new RegExp(`^ +alice sees: ${states.source}$`, "m"));
    expect(said.stdout).toMatch(/failed\n +reason: I count words, I fly nowhere/);
    expect(said.stdout).toContain("\nAll steps passed, in ");
    for (const line of said.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    // A pipe is no terminal.
    expect(said.stdout).not.toContain("\u{1b}");
    expect(readdirSync(folder)).toEqual([]);
  },
);

test(
  "a step that is not as it was promised ends the demo with 1, and says what it was",
  { tags: ["long"] },
  async () => {
    const { child, folder, said } = startDemo({ PORT: "1234567" });
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(1);
    expect(said.stderr).toMatch(/^ +FAILED: the relay did not start/m);
    expect(said.stderr).toContain("--port needs a port from 0 to 65535");
    expect(said.stdout).not.toContain("passed");
    expect(readdirSync(folder)).toEqual([]);
  },
);

test.skipIf(process.platform !== "linux").for(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
  "ended half-way by %s it leaves no process and no folder behind",
  { tags: ["long"] },
  async (signal) => {
    const { child, folder, said } = startDemo();
    await eventually("bob sleeps", () => said.stdout.includes("who sleeps"));
    expect(processesIn(folder).length).toBeGreaterThan(1);
    const ended = once(child, "exit") as Promise<[number | null]>;
    child.kill(signal);
    expect((await ended)[0]).toBe({ SIGINT: 130, SIGTERM: 143, SIGKILL: null }[signal]);
    await eventually("its processes are gone", () => processesIn(folder).length === 0);
    await eventually("its folder is gone", () => readdirSync(folder).length === 0);
    expect(said.stdout).not.toContain("passed");
  },
);

test("README's picture of it is that of the recording, whole, small, and of no particular machine", async () => {
  const cast = read("docs/demo.cast");
  expect(read("docs/demo.svg")).toBe(await pictureOf(cast));
  expect(statSync(join(root, "docs/demo.svg")).size).toBeLessThan(200_000);
  const [header = "", ...lines] = cast.trimEnd().split("\n");
  expect(JSON.parse(header)).toMatchObject({ version: 2, width: 80 });
  const said = lines.map((line) => (JSON.parse(line) as string[])[2]).join("");
  for (const title of titles) expect(said).toContain(`. ${title}`);
  expect(said).toContain("All steps passed, in ");
  expect(said).not.toMatch(/\/(home|root|tmp|work|Users|var)\//);
  expect(read("README.md")).toContain("(docs/demo.svg)");
});
