import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { builtCli } from "../../../test/built.ts";
import { eventually } from "../../../test/waiting.ts";
import { Recorder } from "./console.ts";
import { noTerminal, startAtTerminal, startCli, startScript, type Child } from "./process.ts";
import { createWorld, type World } from "./world.ts";

const SENDER = fileURLToPath(new URL("sender.ts", import.meta.url));

function listen(world: World, username: string, ...more: string[]): Child {
  return startCli(["listen", "-u", username, ...more], world.env);
}

/** Resolves when the relay calls `username` online, as `other` sees it. */
async function online(world: World, username: string, other: string): Promise<void> {
  await eventually(`${username} is online`, async () =>
    (await world.cli(`users -u ${other}`)).stdout.includes(`- ${username}\n`),
  );
}

/** The bodies that a listener has printed with `--json`. */
function bodies(listener: Child): string[] {
  const lines = listener.stdout.text.split("\n").filter((line) => line !== "");
  return lines.map((line) => (JSON.parse(line) as { body: string }).body);
}

/** `prefix 1` to `prefix count`. */
function series(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i + 1}`);
}

/** Each series once and in order, however they are mixed. */
function expectSeries(heard: string[], prefixes: readonly string[], count: number): void {
  for (const prefix of prefixes) {
    expect(heard.filter((body) => body.startsWith(`${prefix} `))).toEqual(series(prefix, count));
  }
  expect(heard).toHaveLength(prefixes.length * count);
}

test("a listener that is interrupted ends with 130 or 143, so that a loop around it ends, too", async () => {
  const world = await createWorld();
  await world.register("alice");
  for (const [signal, code, ...more] of [["SIGINT", 130, "--count", "1"] as const, ["SIGTERM", 143] as const]) {
    const listener = listen(world, "alice", ...more);
    await listener.stderr.until(/Listening for messages as alice\.\.\. \(Press Ctrl\+C to stop\)\n/);
    listener.process.kill(signal);
    expect(await listener.exit).toBe(code);
    expect(listener.stderr.text).toMatch(/\nStopping listener\.\.\.\n$/);
    expect(listener.stdout.text).toBe("");
  }
});

test.skipIf(noTerminal).each([
  ["a listener", "listen -u alice --count 1", /Listening/],
  ["a question", "unregister -u alice", /Type its name/],
])("Ctrl+C at a terminal ends a shell's endless loop around %s", async (_what, words, until) => {
  const world = await createWorld();
  await world.register("alice");
  const command = `"${process.execPath}" "${builtCli()}" ${words}`;
  const child = startAtTerminal("/bin/bash", `while true; do ${command}; echo went on; done`, world.env);
  const [terminal, ended] = [new Recorder(), once(child, "close")];
  child.stdout.pipe(terminal);
  await terminal.until(until);
  child.stdin.write("\u0003");
  await ended;
  expect(terminal.text).not.toContain("went on");
});

test("a reader that closes the pipe ends the listener, and the message is shown again later", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const listener = listen(world, "bob");
  await online(world, "bob", "alice");
  listener.process.stdout?.destroy();
  expect((await world.cli("send -u alice -t bob -m precious")).exit).toBe(0);
  expect(await listener.exit).toBe(1);
  expect(listener.stderr.text).toContain("Error: nobody reads standard output any more\n");
  expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: precious");
});

test("a listener that prints and one whose command handles warn of each other: what is printed is not answered", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const printing = listen(world, "bob");
  await online(world, "bob", "alice");
  const warning = `another listener of bob runs: what process ${printing.pid} prints is handled by that, and this one does not get it`;
  expect((await world.cli("listen -u bob --exec cat --reply --once")).stderr).toContain(`Warning: ${warning}\n`);
  expect((await world.cli("listen -u bob --once")).stderr).not.toContain("Warning");
});

test("a stopped process that holds the link is named when the time is out", { tags: ["long"] }, async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const listener = listen(world, "alice");
  await online(world, "alice", "bob");
  listener.process.kill("SIGSTOP");
  const { exit, stderr } = await world.cli("send -u alice -t bob -m hello --timeout 3");
  expect(exit).toBe(7);
  expect(stderr).toContain(`process ${listener.pid} (listen) holds the link and is stopped`);

  listener.process.kill("SIGCONT");
  // It may have been stopped within a transaction: then the message was not taken.
  const taken = stderr.includes("aimessage status ");
  if (taken) expect((await world.cli("listen -u bob --count 1 --timeout 20")).stdout).toContain("alice: hello");
});

test(
  "four senders and two listeners of one agent: every listener shows each message once, each sender's in order",
  { tags: ["long"] },
  async () => {
    const world = await createWorld();
    await world.register("alice", "bob");
    const first = listen(world, "alice", "--json");
    const second = listen(world, "alice", "--json");
    const bobFirst = listen(world, "bob", "--json", "--count", "200");
    const bobSecond = listen(world, "bob", "--json", "--count", "200");
    await online(world, "alice", "bob");

    const names = ["a", "b", "c", "d"];
    const start = (from: string, to: string, prefix: string): Child =>
      startScript(SENDER, [from, to, prefix, "50"], world.env);
    const senders = [...names.map((prefix) => start("alice", "bob", prefix)), start("bob", "alice", "back")];
    for (const sender of senders) expect([await sender.exit, sender.stderr.text]).toEqual([0, ""]);

    expect(await bobFirst.exit).toBe(0);
    expect(await bobSecond.exit).toBe(0);
    for (const listener of [bobFirst, bobSecond]) expectSeries(bodies(listener), names, 50);
    for (const listener of [first, second]) {
      await listener.stdout.until(/"back 50"/);
      expectSeries(bodies(listener), ["back"], 50);
    }
  },
);

test(
  "four senders without any listener: everything arrives later, each sender's in order",
  { tags: ["long"] },
  async () => {
    const world = await createWorld();
    await world.register("alice", "bob");
    const names = ["a", "b", "c", "d"];
    const senders = names.map((prefix) => startScript(SENDER, ["alice", "bob", prefix, "50"], world.env));
    for (const sender of senders) expect([await sender.exit, sender.stderr.text]).toEqual([0, ""]);
    const listener = listen(world, "bob", "--json", "--count", "200");
    expect(await listener.exit).toBe(0);
    expectSeries(bodies(listener), names, 50);
  },
);

test("when the process that holds the link is killed, another takes over", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const first = listen(world, "alice", "--json");
  await online(world, "alice", "bob");
  const second = listen(world, "alice", "--json");
  await second.stderr.until(/Listening/);
  first.process.kill("SIGKILL");
  expect(await first.exit).toBe("SIGKILL");
  expect((await world.cli("send -u bob -t alice -m hello --wait handled --timeout 20")).exit).toBe(0);
  expect(bodies(second)).toEqual(["hello"]);
});

test("two processes that register one agent at the same moment leave one that works", { tags: ["long"] }, async () => {
  const world = await createWorld();
  for (const name of ["one", "two", "three"]) {
    const children = [0, 1].map(() => startCli(["register", "-u", name], world.env));
    const exits = await Promise.all(children.map(({ exit }) => exit));
    expect(exits).toContain(0);
    expect((await world.cli(`whoami -u ${name}`)).exit).toBe(0);
    expect((await world.cli(`users -u ${name}`)).exit).toBe(0);
  }
});
