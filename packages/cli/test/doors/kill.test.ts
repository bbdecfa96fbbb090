/** Listeners that are killed while a command of theirs runs. */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cliBin, Program } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
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
    const listener = new Program([cliBin, "-u", "bob", "--home", world.home, "listen", "--exec", script]);
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
  const listener = new Program([cliBin, "-u", "bob", "--home", world.home, "listen", "--exec", script]);
  onTestFinished(() => listener.end("SIGKILL"));
  listener.start();
  await send(world, "a job");
  await eventually("the command runs", async () => (await lines(file)).length === 1);
  const first = await eventually("it is watched", () => watchdogOf(listener.pid));
  process.kill(first, "SIGKILL");
  await eventually("it is watched again", () => ![undefined, first].includes(watchdogOf(listener.pid)));
  await listener.end("SIGKILL");
  const [pid = ""] = await lines(file);
  const state = () => spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout;
  await eventually("the command has ended", () => /^(Z.*)?\s*$/.test(state()));
});
