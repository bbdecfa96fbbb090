// @module-tag long
/** Listeners that are killed while a command of theirs runs. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { Program } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { Leftover } from "../../src/doors/leftover.ts";
import { send, stateOf, talk } from "./talk.ts";

const lines = (file: string): Promise<string[]> =>
  readFile(file, "utf8").then(
    (text) => text.trim().split("\n"),
    () => [],
  );

test(
  "kill -9 of a listener ends its command, and the message is handled by the next one at once, once",
  { tags: ["long"] },
  async () => {
    const world = await talk();
    const file = join(world.home, "log");
    const script = `echo "begin $AIMESSAGE_ATTEMPT" >> '${file}'; sleep 2; echo "end $AIMESSAGE_ATTEMPT" >> '${file}'`;
    const listener = new Program([builtCli(), "-u", "bob", "--home", world.home, "listen", "--exec", script]);
    onTestFinished(() => listener.end("SIGKILL"));
    listener.start();
    const id = await send(world, "a job");
    await eventually("the command runs", async () => (await lines(file)).includes("begin 1"));
    await listener.end("SIGKILL");
    listener.start();
    await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
    // The first one's command did not go on.
    expect(await lines(file)).toEqual(["begin 1", "begin 2", "end 2"]);
  },
);

/** Children of a process that trap signals in a shell: its watchdog. */
function watchdogOf(pid: number): number | undefined {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" });
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
  return rows
    .filter(
      ([, parent, state = "", ...args]) => Number(parent) === pid && !state.startsWith("Z") && args.includes("trap"),
    )
    .map(([id]) => Number(id))[0];
}

test("what ends a listener's commands with it is replaced when it is killed itself, and knows those that run", async () => {
  const world = await talk();
  const file = join(world.home, "log");
  const script = `echo $$ >> '${file}'; sleep 600`;
  const listener = new Program([builtCli(), "-u", "bob", "--home", world.home, "listen", "--exec", script]);
  onTestFinished(() => listener.end("SIGKILL"));
  listener.start();
  await send(world, "a job");
  await eventually("the command runs", async () => (await lines(file)).length === 1);
  const first = await eventually("it is watched", () => watchdogOf(listener.pid));
  process.kill(first, "SIGKILL");
  await eventually("it is watched again", () => ![undefined, first].includes(watchdogOf(listener.pid)));
  await listener.end("SIGKILL");
  const [pid = ""] = await lines(file);
  await eventually("the command has ended", () => !runs(pid));
});

/** Whether a process runs: one that has ended may stay in the table of a container, whose first process waits for nobody. */
function runs(pid: string): boolean {
  return !/^(Z.*)?\s*$/.test(spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout);
}

test("a command of a listener that was killed together with what ends its commands is ended by the next one, before its message is tried again", async () => {
  const world = await talk();
  const file = join(world.home, "log");
  const script = `echo $$ >> '${file}'; [ $AIMESSAGE_ATTEMPT -gt 1 ] || sleep 600`;
  const listener = new Program([builtCli(), "-u", "bob", "--home", world.home, "listen", "--exec", script]);
  onTestFinished(() => listener.end("SIGKILL"));
  listener.start();
  const id = await send(world, "a job");
  await eventually("the command runs", async () => (await lines(file)).length === 1);
  const [pid = ""] = await lines(file);
  process.kill(await eventually("it is watched", () => watchdogOf(listener.pid)), "SIGKILL");
  await listener.end("SIGKILL");
  expect(runs(pid)).toBe(true);
  listener.start();
  await eventually("the message is tried again", async () => (await lines(file)).length === 2);
  await eventually("the first command has ended", () => !runs(pid));
  await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
  expect(await readdir(join(world.home, "bob", "commands"))).toEqual([]);
});

/** A process that leads a group, until the test is over. */
function sleeping(env: NodeJS.ProcessEnv): number {
  const child = spawn("/bin/sleep", ["600"], { detached: true, stdio: "ignore", env });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child.pid ?? 0;
}

test("what runs of a message is told by its environment, so that nothing else is ended, whatever the file says", async () => {
  const folder = await mkdtemp(join(tmpdir(), "aimessage commands "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [ours, other] = [sleeping({ AIMESSAGE_ID: "m" }), sleeping({ AIMESSAGE_ID: "another" })];
  const file = join(folder, "commands", "m");
  const leftover = new Leftover(folder, "m");
  leftover.note(other);
  leftover.end();
  expect(runs(String(other))).toBe(true);
  for (const forged of ["1", "0", `-${ours}`, ` ${ours}`, `${ours}0`, "", "x"]) {
    await writeFile(file, forged);
    leftover.end();
    expect([forged, runs(String(ours))]).toEqual([forged, true]);
  }
  await symlink("/etc/hostname", file);
  leftover.end();
  await expect(readlink(file)).rejects.toThrow("ENOENT");
  expect(await readFile("/etc/hostname", "utf8")).not.toBe("");
  leftover.note(ours);
  // Another listener's has another id.
  leftover.forget(ours + 1);
  leftover.end();
  await eventually("it has ended", () => !runs(String(ours)));
  await expect(readFile(file)).rejects.toThrow("ENOENT");
});

test("what is left of a command whose first process has ended is ended, too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "aimessage commands "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "child");
  const shell = spawn("/bin/sh", ["-c", 'sleep 600 & echo $! > "$0"', file], {
    detached: true,
    stdio: "ignore",
    env: { ...process.env, AIMESSAGE_ID: "m" },
  });
  await once(shell, "exit");
  const child = (await readFile(file, "utf8")).trim();
  onTestFinished(() => void (runs(child) && process.kill(Number(child), "SIGKILL")));
  const leftover = new Leftover(folder, "m");
  leftover.note(shell.pid ?? 0);
  leftover.end();
  await eventually("it has ended", () => !runs(child));
});

const isFifoWatched = spawnSync("tail", ["--version"], { encoding: "utf8" }).stdout.includes("GNU");

for (const door of ["listen --json --ack", "pipe"])
  test.skipIf(!isFifoWatched)(
    `${door}: a reader that goes while stdin is held open is noticed at once, and gives back what it had`,
    async () => {
      const world = await talk();
      const id = await send(world, "a job");
      // The shell holds both ends of the other pipe.
      const script = `mkfifo "$0" && exec 3<>"$0" && echo '{"jsonrpc":"2.0","id":1,"method":"subscribe"}' >&3
      "$1" "$2" -u bob --home "$3" ${door} <"$0" 3>&- | grep -m 1 'a job' >&2`;
      const words = ["-c", script, join(world.home, "..", "fifo"), process.execPath, builtCli(), world.home];
      const shell = spawn("/bin/sh", words, { stdio: ["ignore", "ignore", "pipe"] });
      onTestFinished(() => void shell.kill("SIGKILL"));
      let read = "";
      shell.stderr.setEncoding("utf8").on("data", (text: string) => (read += text));
      await once(shell, "exit");
      expect(read).toContain("a job");
      const next = await world.cli("-u bob listen --json --ack --once", { stdin: "" });
      expect(next.exit).toBe(0);
      expect((await world.cli("-u bob listen --json --once")).stdout).toContain('"body":"a job"');
      await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
    },
  );
