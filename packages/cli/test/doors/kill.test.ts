/** Listeners that are killed while a command of theirs runs. */
import { spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
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

/** Whether a process runs: one that has ended may stay in the table of a container, whose first process waits for nobody. */
function runs(pid: string): boolean {
  return !/^(Z.*)?\s*$/.test(spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout);
}

for (const how of ["was killed together with what ends its commands", "stands still"] as const) {
  // Until the claim of one that stands still has run out it takes half a minute.
  const options = how === "stands still" ? { tags: ["long" as const] } : {};
  test(
    `a command of a listener that ${how} is ended by the next one, before its message is tried again`,
    options,
    async () => {
      const world = await talk();
      const file = join(world.home, "log");
      const script = `echo $$ >> '${file}'; [ $AIMESSAGE_ATTEMPT -gt 1 ] || sleep 600`;
      const words = [cliBin, "-u", "bob", "--home", world.home, "listen", "--exec", script];
      const [first, second] = [new Program(words), new Program(words)];
      onTestFinished(() => Promise.all([first.end("SIGKILL"), second.end("SIGKILL")]).then(() => undefined));
      first.start();
      const id = await send(world, "a job");
      await eventually("the command runs", async () => (await lines(file)).length === 1);
      const [pid = ""] = await lines(file);
      if (how === "stands still") {
        // It has the store's lock for none of that any more.
        await eventually("it has told", async () => (await stateOf(world, id)).state === "received");
        process.kill(first.pid, "SIGSTOP");
      } else {
        process.kill(watchdogOf(first.pid) ?? 0, "SIGKILL");
        await first.end("SIGKILL");
      }
      expect(runs(pid)).toBe(true);
      second.start();
      await eventually("the message is tried again", async () => (await lines(file)).length === 2);
      await eventually("the first command has ended", () => !runs(pid));
      // It has the link, too: what it sends for the other one leaves when it goes on.
      if (how === "stands still") process.kill(first.pid, "SIGCONT");
      await eventually("it is handled", async () => (await stateOf(world, id)).state === "handled");
      await second.end("SIGTERM");
      expect(await readdir(join(world.home, "bob", "commands"))).toEqual([]);
    },
  );
}
