/** What is said while something is waited for, and when the wait is over or given up. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createWorld } from "./world.ts";

/** A terminal at which somebody types. */
function typed(): PassThrough & { isTTY: true } {
  return Object.assign(new PassThrough(), { isTTY: true as const });
}

test("listen with --count and too little to count times out with 7 and says so, without --count it just ends", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  await world.cli("send -u alice -t bob -m one");
  const overdue = await world.cli("listen -u bob -q --count 2 --timeout 2");
  expect(overdue).toMatchObject({ exit: 7, stdout: expect.stringContaining("alice: one\n") });
  expect(overdue.stderr).toMatch(/^Error: time ran out: 1 of 2 messages came\nHint: .*\n$/);
  const { exit, stdout, stderr } = await world.cli("listen -u bob --json -q --count 1 --timeout 0.3");
  expect({ exit, stdout }).toEqual({ exit: 7, stdout: "" });
  expect(JSON.parse(stderr)).toMatchObject({ error: "timeout" });
  expect(await world.cli("listen -u bob --timeout 0.3")).toMatchObject({ exit: 0, stdout: "" });
});

test("a listener that is stopped before it listens does not say afterwards that it does", async () => {
  const world = await createWorld();
  await world.register("bob");
  const stop = new AbortController();
  const listening = world.cli("listen", { interrupted: stop.signal });
  stop.abort();
  const { exit, stderr } = await listening;
  expect(exit).toBe(0);
  expect(stderr).not.toContain("Listening");
});

test("a long wait for the recipient says once what it waits for", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const { exit, stderr } = await world.cli("send -u alice -t bob -m hello --wait handled --timeout 2");
  expect(exit).toBe(7);
  expect(stderr).toMatch(
    /^Waiting until bob has handled the message\.\.\.\nError: .*\nHint: .*wait longer.*; see: aimessage status .*\n$/,
  );
});

test("what is typed into a terminal is sent at its end, and thrown away at Ctrl+C", async () => {
  const world = await createWorld();
  await world.register("alice", "bob");
  const [whole, given] = [typed(), typed()];
  const sending = world.cli("send -u alice -t bob -m -", { terminal: whole });
  whole.write("hello\n");
  whole.end("bob\n");
  expect(await sending).toMatchObject({ exit: 0, stderr: expect.stringContaining("Ctrl+D") });

  const stop = new AbortController();
  const interrupted = world.cli("send -u alice -t bob -m -", { terminal: given, interrupted: stop.signal });
  given.write("never mind\n");
  setTimeout(() => stop.abort(), 100);
  expect(await interrupted).toMatchObject({
    exit: 1,
    stdout: "",
    stderr: expect.stringMatching(/\nError: interrupted .*\nHint: nothing was sent\n$/),
  });
  const early = await world.cli("send -u alice -t bob -m -", { terminal: typed(), interrupted: AbortSignal.abort() });
  expect(early).toMatchObject({ exit: 1, stderr: expect.stringContaining("interrupted") });
  const heard = JSON.parse((await world.cli("listen -u bob --json --count 1")).stdout) as { body: string };
  expect(heard.body).toBe("hello\nbob\n");
  expect((await world.cli("listen -u bob --timeout 0.5")).stdout).toBe("");
});
