/** Where the last metre of a message is a file, a pipe or a terminal that does not take it. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { builtCli } from "../../../test/built.ts";
import { smallDisk } from "../../../test/small-disk.ts";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { noTerminal, startAtTerminal, startCli } from "./process.ts";
import { createWorld, type World } from "./world.ts";

const FULL = "/dev/full";
const NODE = [builtCli()];

async function withMail(bytes: number): Promise<World> {
  const world = await createWorld();
  await world.register("alice", "bob");
  expect((await world.cli("send -u alice -t bob -m -", { stdin: "x".repeat(bytes) })).exit).toBe(0);
  return world;
}

function isWritten(file: string): boolean {
  return existsSync(file) && readFileSync(file, "utf8") !== "";
}

async function expectUnhandled(world: World): Promise<void> {
  const { messages } = JSON.parse((await world.cli("inbox -u bob --json")).stdout) as { messages: { state: string }[] };
  expect(messages.map(({ state }) => state)).toEqual(["unhandled"]);
}

function stuck(): Writable {
  return new Writable({ write: () => undefined });
}

function refusing(code: string): Writable {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(Object.assign(new Error(), { code })) });
  return stream.on("error", () => undefined);
}

test("a message that a file has no room for is not handled, leaves no part behind, and comes whole when there is room", async ({
  skip,
}) => {
  using disk = smallDisk("256k") ?? skip("no right to mount a small disk");
  const world = await withMail(20_000);
  const file = join(disk.path, "log");
  const listenInto = async () => {
    const stdout = openSync(file, "a");
    const words = ["listen", "-u", "bob", "--json", "-q", "--count", "1", "--timeout", "20"];
    const child = spawn(process.execPath, [...NODE, ...words], {
      env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...world.env },
      stdio: ["ignore", stdout, "pipe"],
    });
    closeSync(stdout);
    const stderr = new Recorder();
    child.stderr?.pipe(stderr);
    const [status] = (await once(child, "close")) as [number];
    return { status, stderr: stderr.text };
  };
  disk.fill(8192);
  expect(await listenInto()).toEqual({ status: 1, stderr: expect.stringContaining('"error":"stdout"') });
  await expectUnhandled(world);
  expect(readFileSync(file, "utf8")).toBe("");
  disk.free();
  expect(await listenInto()).toEqual({ status: 0, stderr: "" });
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { body: string }).body.length)).toEqual([20_000]);
});

test(
  "stdout that is not read holds up neither --timeout nor an interrupt, and the message comes again",
  { tags: ["long"] },
  async () => {
    const world = await withMail(10);
    for (const line of ["listen -u bob", "listen -u bob --share --count 1"]) {
      const [interrupt, stdout] = [new AbortController(), stuck()];
      const listening = world.cli(line, { stdout, interrupted: interrupt.signal });
      await eventually("it is printed", () => stdout.writableLength > 0);
      interrupt.abort("SIGTERM");
      expect(await listening).toMatchObject({ exit: 143 });
      await expectUnhandled(world);
      const overdue = await world.cli(`${line} --timeout 1`, { stdout: stuck() });
      expect(overdue).toMatchObject({ exit: 7, stderr: expect.stringMatching(/not read\nHint: .*shown again/) });
      await expectUnhandled(world);
    }
    expect((await world.cli("whoami -u bob", { stdout: stuck(), interrupted: AbortSignal.abort() })).exit).toBe(130);
    expect((await world.cli("listen -u bob --share --count 1 --timeout 20")).stdout).toContain("xxxxxxxxxx");
  },
);

test("a pipe that is full does not keep a listener from ending", async () => {
  const world = await withMail(300_000);
  const listener = startCli(["listen", "-u", "bob"], world.env);
  listener.process.stdout?.pause();
  listener.process.stdout?.unpipe();
  await listener.stderr.until(/Listening/);
  // Some of it has come as far as the pipe.
  await once(listener.process.stdout!, "readable");
  listener.process.kill("SIGTERM");
  await listener.stderr.until(/is not read/);
  listener.process.stdout?.destroy();
  expect(await listener.exit).toBe(143);
  await expectUnhandled(world);
});

test.skipIf(noTerminal)("a terminal that stands still does not keep a listener from ending", async () => {
  const world = await withMail(300_000);
  const [pid, code] = [join(world.home, "pid"), join(world.home, "code")];
  const listen = [process.execPath, ...NODE, "listen", "-u", "bob"].map((word) => `'${word}'`).join(" ");
  const command = `sh -c 'echo $$ > "$0"; exec "$@"' '${pid}' ${listen}; echo $? > '${code}'`;
  const terminal = startAtTerminal("/bin/sh", command, world.env);
  // What it prints is not read any further than this.
  await once(terminal.stdout, "readable");
  await eventually("it has begun", () => isWritten(pid));
  await eventually("it has the message", async () => !(await world.cli("inbox -u bob")).stdout.includes("No messages"));
  process.kill(Number(readFileSync(pid, "utf8")), "SIGTERM");
  await eventually("it has ended", () => isWritten(code));
  expect(readFileSync(code, "utf8")).toBe("143\n");
  await expectUnhandled(world);
});

test("who has read enough of the help ends it without a fault; what a full disk does not take is one", async () => {
  const world = await createWorld();
  await world.register("alice");
  for (const line of ["--help", "send --help", "--version"]) {
    expect(await world.cli(line, { stdout: refusing("EPIPE") })).toMatchObject({ exit: 0, stderr: "" });
    const { exit, stderr } = await world.cli(line, { stdout: refusing("ENOSPC") });
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: "Error: cannot write to standard output (ENOSPC)\n" });
  }
  expect((await world.cli("whoami", { stdout: refusing("ENOSPC") })).exit).toBe(1);
  if (!existsSync(FULL)) return;
  const { status, stderr } = spawnSync(process.execPath, [...NODE, "--help"], {
    stdio: ["ignore", openSync(FULL, "w"), "pipe"],
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 1, stderr: "Error: cannot write to standard output (ENOSPC)\n" });
});
